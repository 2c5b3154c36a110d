"""What a run's batches are planned from: its frozen audience and its members' events, in files of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from automation.errors import AutomationError
from automation.pipeline.audience import FrozenAudience, freeze_again
from automation.pipeline.decide import RunContext
from automation.rules.reads import offer_conditions
from automation.store import runs
from automation.store.runs import RunRow
from automation.warehouse.batch_file import BatchFile, DamagedFile
from automation.warehouse.history import freeze_history
from automation.warehouse.shown_values import freeze_shown_values
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class FrozenRun:
    """The files of a run whose audience is frozen. Raises `DamagedFile` for one that has to be made again."""

    workspace: Workspace
    run: RunRow
    found: RunContext

    @cached_property
    def audience(self) -> FrozenAudience:
        return FrozenAudience(self.workspace.audience_file(self.run.id))

    @cached_property
    def _history(self) -> BatchFile:
        path = self.workspace.history_file(self.run.id)
        return freeze_history(self.found.data, self.audience.path, path)

    @cached_property
    def _values(self) -> BatchFile:
        path = self.workspace.values_file(self.run.id)
        return freeze_shown_values(self.found.data, self.found.shown, self.audience.path, path)

    def members(self, no: int) -> pl.DataFrame:
        """The rows of a batch, which are those of its members in the store."""
        rows = self.audience.batch(no)
        with self.workspace.store.reading() as connection:
            wanted = runs.members(connection, self.run.id, no)
        if sorted(rows["customer_id"].to_list()) != sorted(wanted):
            raise DamagedFile(self.audience.path, f"batch {no} has other customers than run {self.run.id}")
        return rows

    def history(self, no: int) -> pl.DataFrame | None:
        """The events of a batch's members, for a campaign that recommends."""
        return None if self.found.recommendation is None else self._history.batch(no)

    def values(self, no: int) -> pl.DataFrame | None:
        """What texts show of a batch's members, for a campaign whose texts show any."""
        return self._values.batch(no) if self.found.shown else None

    def forget_history(self) -> None:
        """Every batch is planned."""
        for path in (self.workspace.history_file(self.run.id), self.workspace.values_file(self.run.id)):
            path.unlink(missing_ok=True)


def open_frozen_run(workspace: Workspace, run: RunRow, found: RunContext) -> FrozenRun:
    """The run's files; a missing audience is written again for the members that the store has.

    Raises `AutomationError` where its values can't be found again: people who were given, not found by rules.
    """
    path = workspace.audience_file(run.id)
    if not path.exists():
        if not run.versions["warehouse"]:
            raise AutomationError(
                f"the file with the people of run {run.id} is missing or damaged: {path}; they were given to the run, "
                "so that it can't be made again; nobody of the unplanned batches gets a message"
            )
        with workspace.store.reading() as connection:
            members = [runs.members(connection, run.id, no) for no in range(runs.count_batches(connection, run.id))]
        freeze_again(
            found.campaign.audience,
            offer_conditions(found.campaign),
            found.data,
            workspace.project.registry,
            members=members,
            path=path,
        )
    return FrozenRun(workspace, run, found)
