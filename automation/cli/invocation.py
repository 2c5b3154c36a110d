"""What every command gets: the project, and where to print results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automation.cli.output import Output
from automation.errors import AutomationError, ConfigurationError

if TYPE_CHECKING:
    from automation.runner.outline import Outline
    from automation.workspace.data_folder import DataFolder
    from automation.workspace.opened import OpenedByStatements, OpenedFile, OpenedStore
    from automation.workspace.workspace import Workspace

FILE = "config.yaml"


@dataclass(frozen=True)
class Invocation:
    """One call of a command. project: the value of `--project`, if given."""

    command: str
    project: str | None
    output: Output

    def root(self) -> Path:
        """The project folder. Raises `ConfigurationError`."""
        if self.project is not None:
            return self._named_root()
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / FILE).is_file():
                return folder
        raise ConfigurationError(
            f"neither {here} nor a folder above it has a {FILE}; name the project with --project DIR, "
            f"or create one: automation init DIR"
        )

    def root_or_none(self) -> Path | None:
        """The project folder, for commands that also work without one."""
        try:
            return self.root()
        except ConfigurationError:
            if self.project is not None:
                raise
            return None

    def workspace(self) -> Workspace:
        """The opened project. Changes to its folder, because relative paths in its files start there."""
        from automation.cli.failures import log_warnings_to_stderr
        from automation.workspace.workspace import open_workspace

        log_warnings_to_stderr()
        root = self.root().resolve()
        os.chdir(root)
        return open_workspace(root)

    def store_only(self, data_dir: Path | None) -> OpenedStore:
        """The project's store, whatever the state of its files; says what can't be read.

        data_dir: the data folder, if the user named it. Raises `AutomationError`.
        """
        from automation.cli.failures import log_warnings_to_stderr
        from automation.workspace.opened import open_store_only

        log_warnings_to_stderr()
        _, folder = self.data_folder(data_dir)
        opened = open_store_only(folder)
        self._say(opened.unread)
        return opened

    def store_file_only(self, data_dir: Path | None) -> OpenedFile:
        """As `store_only`, by the driver alone, so that the command starts at once. Raises `AutomationError`."""
        from automation.workspace.opened import open_file_only

        root, folder = self.data_folder(data_dir)
        opened = open_file_only(root, folder)
        self._say(opened.unread)
        return opened

    def workspace_or_store(self, data_dir: Path | None) -> Workspace | OpenedStore:
        """The opened project, or only its store where the project can't be opened or its daemon uses another store.

        Raises `AutomationError`.
        """
        from automation.workspace.data_folder import DataFolder
        from automation.workspace.opened import open_store_only

        _, folder = self.data_folder(data_dir)
        why: tuple[str, ...] = ()
        try:
            workspace = self.workspace()
        except (Exception, SystemExit) as error:  # whatever it is, also a plugin that ends the process
            why = tuple(_spell(error).splitlines())
        else:
            if workspace.data_dir.resolve() == folder.path.resolve():
                return workspace
            workspace.store.close()
        opened = open_store_only(DataFolder(folder.path, tuple(dict.fromkeys((*why, *folder.unread)))))
        self._say(opened.unread)
        return opened

    @contextmanager
    def outlined(self, data_dir: Path | None) -> Iterator[tuple[OpenedByStatements, Outline]]:
        """The store, and what was kept of the project's files; where they changed since, they are read and kept again.

        Raises `AutomationError`.
        """
        from automation.runner.kept_outline import keep_outline, load_outline
        from automation.workspace.fingerprint import project_fingerprint
        from automation.workspace.opened import open_file_only

        root, folder = self.data_folder(data_dir)
        fingerprint, kept = project_fingerprint(root), load_outline(folder.path)
        if kept is not None and kept.fingerprint == fingerprint:
            with open_file_only(root, folder) as file:
                if kept.is_current(file, fingerprint):
                    yield file, kept.outline
                    return
        from automation.runner.outline import read_outline
        from automation.workspace.workspace import Workspace

        with self.workspace_or_store(data_dir) as opened:
            outline = read_outline(opened)
            if isinstance(opened, Workspace):
                keep_outline(opened, outline, fingerprint)
            yield opened, outline

    def _say(self, unread: tuple[str, ...]) -> None:
        if unread:
            self.output.note("the project can't be opened as a whole; this uses only its store:")
        for line in unread:
            self.output.note(f"  {line}")

    def data_folder(self, data_dir: Path | None) -> tuple[Path, DataFolder]:
        """The project folder and its data folder, whatever the state of its files. Raises `ConfigurationError`."""
        from automation.daemon.lock import find_lock_holder
        from automation.workspace.data_folder import STORE, DataFolder, find_data_folder

        if data_dir is not None:
            folder = data_dir.expanduser().resolve()
            if not (folder / STORE).is_file():
                raise ConfigurationError(f"{folder} is no data folder: it has no {STORE}")
            return self._root_of_store() or folder.parent, DataFolder(folder)
        root = self._root_of_store() or self.root()  # the latter says what is missing
        return root, find_data_folder(root, in_use=lambda folder: find_lock_holder(folder) is not None)

    def _root_of_store(self) -> Path | None:
        """The project folder, which may lack a config.yaml if it has a data folder."""
        if self.project is not None:
            named = Path(self.project).expanduser().resolve()
            return named if _has_config_or_store(named) else None
        here = Path.cwd()
        return next((folder for folder in (here, *here.parents) if _has_config_or_store(folder)), None)

    def _named_root(self) -> Path:
        root = Path(self.project or "").expanduser()
        if not (root / FILE).is_file():
            what = f"has no {FILE}" if root.is_dir() else "is not a folder"
            raise ConfigurationError(f"{root} is not a project: it {what}; create one: automation init {root}")
        return root


def _has_config_or_store(folder: Path) -> bool:
    from automation.workspace.data_folder import STORE

    has_store = (folder / "campaigns").is_dir() and any(folder.glob(f"*/{STORE}"))
    return has_store or (folder / FILE).is_file()


def _spell(error: BaseException) -> str:
    return str(error) if isinstance(error, AutomationError) else f"{type(error).__name__}: {error}"
