"""A run for people who are given, instead of found by a campaign's rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy.engine import Connection

from automation.ids import new_request_id
from automation.pipeline.audience import write_people
from automation.schedule.due_times import Due
from automation.store import model_cards, runs
from automation.store.runs import RunRow
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class WrittenPeople:
    """People on disk in the order in which they are planned, not yet part of a run."""

    path: Path
    batches: Sequence[Sequence[str]]


@contextmanager
def written_people(workspace: Workspace, people: pl.DataFrame, *, salt: str) -> Iterator[WrittenPeople]:
    """Write people to disk before the transaction that makes their run; removes them if no run takes them.

    people: `customer_id`, and the traits that their messages show. salt: orders them, as `freeze` does.
    """
    path = workspace.audience_file(0).with_name(f"{new_request_id()}.people")
    try:
        yield WrittenPeople(path, write_people(people, salt=salt, path=path))
    finally:
        path.unlink(missing_ok=True)


def freeze_people(
    workspace: Workspace, connection: Connection, people: WrittenPeople, *, campaign: str, launch_id: int, due: Due
) -> RunRow | None:
    """Make the run of these people within the caller's transaction; None if it existed already.

    It is planned like any run: consent, caps and suppressions hold for it.
    """
    now = workspace.clock.now()
    run = runs.claim(
        connection, campaign=campaign, kind=due.kind, due_key=due.key, due_at=due.at, launch_id=launch_id, now=now
    )
    if run is None:
        return None
    people.path.replace(workspace.audience_file(run.id))
    versions: dict[str, Any] = {"warehouse": "", "models": model_cards.active_versions(connection), "local": None}
    runs.freeze(connection, run.id, people.batches, as_of=now, versions=versions)
    return runs.get(connection, run.id)
