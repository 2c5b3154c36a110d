"""A project's store, opened without the project's files: for what must work whatever their state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from automation.clock import Clock, SystemClock
from automation.config.source_map import read_file
from automation.store.engine import Store, open_store
from automation.workspace.data_folder import STORE, DataFolder

if TYPE_CHECKING:
    from automation.config.project import Project


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


@dataclass(frozen=True)
class OpenedStore:
    """The store and the clock; `with` closes the store.

    drafts: the names of the campaign files, as far as they can be read. unread: what could not be read, one sentence
    each.
    """

    data_dir: Path
    store: Store
    clock: Clock
    drafts: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()

    @property
    def project(self) -> None:
        return None

    def __enter__(self) -> OpenedStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


def open_store_only(root: Path, folder: DataFolder, *, clock: Clock | None = None) -> OpenedStore:
    """Open the store of a data folder; its schema stays, since a daemon of another release may use it.

    Raises `StoreError`.
    """
    store = open_store(folder.path / STORE, migrate="if new")
    return OpenedStore(folder.path, store, clock or SystemClock(), frozenset(_drafts(root)), folder.unread)


def _drafts(root: Path) -> Iterator[str]:
    campaigns = root / "campaigns"
    for path in sorted(campaigns.glob("*.y*ml")) if campaigns.is_dir() else ():
        name = read_file(path, path.name)[1].get(("name",))
        yield name if isinstance(name, str) else path.stem
