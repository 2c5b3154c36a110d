"""The people of a run: every member of its audience with what became of them and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import fields
from itertools import chain

import polars as pl

from automation.errors import ConfigurationError
from automation.reporting.reasons import reason_text
from automation.store import runs
from automation.store.ledger.run_people import PEOPLE, read_people
from automation.store.runs import RunRow
from automation.types.run import Account
from automation.warehouse.importing.spreadsheet import quote_formulas
from automation.workspace.workspace import Workspace

OUTCOMES = tuple(field.name for field in fields(Account) if field.name != "audience")
"""What a member can have become; the parts of a run's account."""


def audience_run(workspace: Workspace, run_id: int, outcomes: Collection[str]) -> RunRow:
    """The run. Raises `StoreError` where there is none, `ConfigurationError` for an outcome that does not exist."""
    for outcome in outcomes:
        if outcome not in OUTCOMES:
            raise ConfigurationError(f"{outcome!r} is not an outcome; use {', '.join(OUTCOMES)}")
    with workspace.store.reading() as connection:
        return runs.get(connection, run_id)


def audience(workspace: Workspace, run_id: int, outcomes: Collection[str] = ()) -> Iterator[pl.DataFrame]:
    """Frames of `run_people.PEOPLE` and `because`, the reason in words. outcomes: only these; none: everybody."""
    texts: dict[str, str] = {}
    for frame in read_people(workspace.store.reading, run_id, outcomes):
        for code in frame["reason"].drop_nulls().unique():
            texts.setdefault(code, reason_text(workspace, code))
        because = pl.col("reason").replace_strict(texts, default=None, return_dtype=pl.String)
        yield frame.with_columns(because.alias("because"))


def audience_csv(frames: Iterator[pl.DataFrame]) -> Iterator[str]:
    """CSV that is safe to open in a spreadsheet, a slice at a time; instants are ISO 8601 in UTC."""
    head = True
    for frame in chain(frames, [pl.DataFrame(schema={**PEOPLE, "because": pl.String})]):
        instants = [pl.col(name).dt.to_string("%Y-%m-%dT%H:%M:%S%.3fZ") for name in ("due_at", "settled_at")]
        yield quote_formulas(frame.with_columns(instants)).write_csv(include_header=head)
        head = False
