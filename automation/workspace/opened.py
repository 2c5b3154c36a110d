"""A project's store, opened without the project's files: for what must work whatever their state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from automation.clock import Clock, SystemClock
from automation.config.source_map import read_file
from automation.store.store_file import StoreFile, open_store_file
from automation.workspace.data_folder import STORE, DataFolder

if TYPE_CHECKING:
    from automation.config.project import Project
    from automation.store.engine import Store
    from automation.store.statements import StatementStore


class Opened(Protocol):
    """A whole workspace, or only its store; `project` is None where the files were not read."""

    @property
    def store(self) -> Store: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def data_dir(self) -> Path: ...

    @property
    def project(self) -> Project | None: ...


class OpenedByStatements(Protocol):
    """As `Opened`, for what only executes statements: however the store was opened."""

    @property
    def store(self) -> StatementStore: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def data_dir(self) -> Path: ...

    @property
    def project(self) -> Project | None: ...


@dataclass(frozen=True)
class OpenedStore:
    """The store and the clock; `with` closes the store. unread: what could not be read, one sentence each."""

    data_dir: Path
    store: Store
    clock: Clock
    unread: tuple[str, ...] = ()

    @property
    def project(self) -> None:
        return None

    def __enter__(self) -> OpenedStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


@dataclass(frozen=True)
class OpenedFile:
    """The store, opened by its driver alone, for commands that must start at once; `with` closes it.

    unread: what could not be read, one sentence each.
    """

    root: Path
    data_dir: Path
    store: StoreFile
    clock: Clock
    unread: tuple[str, ...] = ()

    def drafts(self) -> frozenset[str]:
        """The names of the campaign files, as far as they can be read."""
        return frozenset(_drafts(self.root))

    @property
    def project(self) -> None:
        return None

    def __enter__(self) -> OpenedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


def open_store_only(folder: DataFolder, *, clock: Clock | None = None) -> OpenedStore:
    """Open the store of a data folder; its schema stays, since a daemon of another release may use it.

    Raises `StoreError`.
    """
    from automation.store.engine import open_store

    store = open_store(folder.path / STORE, migrate="if new")
    return OpenedStore(folder.path, store, clock or SystemClock(), folder.unread)


def open_file_only(root: Path, folder: DataFolder, *, clock: Clock | None = None) -> OpenedFile:
    """As `open_store_only`, by the driver alone. Raises `StoreError`."""
    store = open_store_file(folder.path / STORE)
    return OpenedFile(root, folder.path, store, clock or SystemClock(), folder.unread)


def _drafts(root: Path) -> Iterator[str]:
    campaigns = root / "campaigns"
    for path in sorted(campaigns.glob("*.y*ml")) if campaigns.is_dir() else ():
        name = read_file(path, path.name)[1].get(("name",))
        yield name if isinstance(name, str) else path.stem
