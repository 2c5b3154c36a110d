"""Proof of consent: everything on record about a person's consents, suppressions and confirmations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from automation.inbound.identity import Person, find_person
from automation.store.people import consent, double_opt_in, suppressions
from automation.store.people.consent import ConsentRecordRow
from automation.store.people.double_opt_in import ConsentRequestRow
from automation.store.people.suppressions import SuppressionRow
from automation.warehouse.importing.spreadsheet import quote_formulas
from automation.workspace.opened import Opened
from automation.workspace.workspace import Workspace

_INSTANTS = ("at", "recorded_at")


@dataclass(frozen=True)
class ConsentProof:
    """records: every consent given, refused or withdrawn, the oldest first.

    requests: those that needed a confirmation.
    """

    person: Person
    records: Sequence[ConsentRecordRow]
    suppressions: Sequence[SuppressionRow]
    requests: Sequence[ConsentRequestRow]

    def to_json(self) -> dict[str, object]:
        return {
            "customers": list(self.person.ids),
            "addresses": dict(self.person.addresses),
            "records": [{**vars(record), "state": state} for record, state in consent.name_records(self.records)],
            "suppressions": [vars(row).copy() for row in self.suppressions],
            "requests": [vars(request).copy() for request in self.requests],
        }


def consent_proof(workspace: Workspace, wanted: str) -> ConsentProof:
    """Of the person with this customer id or address. Raises `AutomationError` for nobody known."""
    return proof_of_person(workspace, find_person(workspace, wanted))


def proof_of_person(workspace: Workspace, who: Person) -> ConsentProof:
    with workspace.store.reading() as connection:
        return ConsentProof(
            person=who,
            records=consent.history(connection, who.ids, list(who.addresses)),
            suppressions=[row for form in who.addresses for row in suppressions.list_rows(connection, address=form)],
            requests=double_opt_in.requests_of(connection, who.ids),
        )


def suppression_list(
    opened: Opened, addresses: Sequence[str] = (), *, limit: int | None = None
) -> list[SuppressionRow]:
    """The rows of these addresses, or the whole list, the newest first."""
    with opened.store.reading() as connection:
        wanted: list[str | None] = [*addresses] or [None]
        return [row for one in wanted for row in suppressions.list_rows(connection, address=one, limit=limit)]


def export_consents(opened: Opened) -> pl.DataFrame:
    """Every consent record, as text, in a form that `automation import consents` can read again."""
    with opened.store.reading() as connection:
        frame = consent.all_records(connection)
    instants = [pl.from_epoch(name, time_unit="ms").dt.to_string("%Y-%m-%dT%H:%M:%S%.3fZ") for name in _INSTANTS]
    granted = pl.when("granted").then(pl.lit("yes")).otherwise(pl.lit("no")).alias("granted")
    return frame.with_columns(*instants, granted)


def to_csv(frame: pl.DataFrame) -> str:
    """CSV that is safe to open in a spreadsheet, and that imports read back unchanged."""
    return quote_formulas(frame).write_csv()
