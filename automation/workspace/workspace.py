"""A project folder opened for work: its files, its store, and the clock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automation.clock import Clock, SystemClock
from automation.config.project import Project, load_project
from automation.workspace.plugins import registry_of

if TYPE_CHECKING:
    from automation.store.engine import Store
    from automation.warehouse.embedded import Warehouse


@dataclass(frozen=True)
class Workspace:
    """A project, its store and the clock; `with` closes the store."""

    project: Project
    store: Store
    clock: Clock

    @property
    def data_dir(self) -> Path:
        return self.project.data_dir

    @property
    def models(self) -> Path:
        return self.data_dir / "models"

    def audience_file(self, run_id: int) -> Path:
        """The file with a run's frozen audience."""
        return self.project.data_dir / "runs" / f"{run_id}.parquet"

    def history_file(self, run_id: int) -> Path:
        """The file with the events of a run's members, while the run is being planned."""
        return self.project.data_dir / "runs" / f"{run_id}.history.parquet"

    def values_file(self, run_id: int) -> Path:
        """The file with what texts show of a run's members, while the run is being planned."""
        return self.project.data_dir / "runs" / f"{run_id}.values.parquet"

    def warehouse(self) -> Warehouse:
        """A new connection; the caller must close it."""
        return warehouse_of(self.project)

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


def warehouse_of(project: Project) -> Warehouse:
    """The warehouse in use, the project's own or the shop's; the caller must close it. Raises `ConfigurationError`."""
    folder, shop = project.data_dir / "warehouse", project.settings.warehouse
    if shop is None:
        from automation.warehouse.embedded import open_warehouse

        return open_warehouse(folder)
    from automation.warehouse.remote import open_shop_warehouse

    return open_shop_warehouse(folder, shop, project.settings.shop.exchange)


def open_project(root: Path) -> Project:
    """Load the plugins, then every file. Raises `ConfigurationError` with every problem."""
    return load_project(root, registry_of(root))


def open_workspace(root: Path, *, clock: Clock | None = None) -> Workspace:
    from automation.store.engine import open_store

    project = open_project(root)
    return Workspace(project, open_store(project.data_dir / "store.db"), clock or SystemClock())
