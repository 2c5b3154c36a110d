"""What a person said about being written to, and what is on record against it: the proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from automation.inbound.identity import Person, person
from automation.store.people import consent, double_opt_in, suppressions
from automation.store.people.consent import ConsentRecordRow
from automation.store.people.double_opt_in import ConsentRequestRow
from automation.store.people.suppressions import SuppressionRow
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class Proof:
    """Everything ever recorded, the oldest first."""

    person: Person
    words: Sequence[ConsentRecordRow]
    suppressions: Sequence[SuppressionRow]
    requests: Sequence[ConsentRequestRow]


def proof(workspace: Workspace, wanted: str) -> Proof:
    """Of the person with this customer id or address. Raises `AutomationError`."""
    return of_person(workspace, person(workspace, wanted))


def of_person(workspace: Workspace, found: Person) -> Proof:
    with workspace.store.reading() as connection:
        return Proof(
            person=found,
            words=consent.history(connection, found.ids, list(found.addresses)),
            suppressions=[row for form in found.addresses for row in suppressions.list_rows(connection, address=form)],
            requests=double_opt_in.requests_of(connection, found.ids),
        )


def every_word(workspace: Workspace) -> pl.DataFrame:
    """The whole record of consent, as text, in a form that `automation import consents` takes again."""
    with workspace.store.reading() as connection:
        frame = consent.all_records(connection)
    instants = [pl.from_epoch(name, time_unit="ms").dt.to_string("%Y-%m-%dT%H:%M:%S%.3fZ") for name in _INSTANTS]
    said = pl.when("granted").then(pl.lit("yes")).otherwise(pl.lit("no")).alias("granted")
    return frame.with_columns(*instants, said)


def as_csv(frame: pl.DataFrame) -> str:
    """For a file: a text that a spreadsheet would run as a formula gets an apostrophe in front, which imports drop."""
    formula = pl.col(pl.String).str.contains(r"^[=+\-@\t\r\n]")
    guarded = pl.when(formula).then("'" + pl.col(pl.String)).otherwise(pl.col(pl.String)).name.keep()
    return frame.with_columns(guarded).write_csv()


_INSTANTS = ("at", "recorded_at")
