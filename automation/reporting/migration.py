"""How far the migration from another tool has come: what was imported, and who confirmed that nothing had to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automation.store.people import migration
from automation.store.people.migration import MigrationStep
from automation.workspace.opened import Opened


@dataclass(frozen=True)
class MigrationStatus:
    """`complete` once suppressions were imported, or somebody confirmed that there are none. The oldest step first."""

    complete: bool
    steps: Sequence[MigrationStep]

    def to_json(self) -> dict[str, object]:
        return {"complete": self.complete, "steps": [vars(step).copy() for step in self.steps]}


def migration_status(opened: Opened) -> MigrationStatus:
    with opened.store.reading() as connection:
        return MigrationStatus(migration.is_migrated(connection), migration.steps(connection))
