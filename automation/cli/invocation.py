"""What every command gets: the project, and where to print results."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automation.cli.output import Output
from automation.errors import ConfigurationError

if TYPE_CHECKING:
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
        from automation.workspace.workspace import open_workspace

        root = self.root().resolve()
        os.chdir(root)
        return open_workspace(root)

    def _named_root(self) -> Path:
        root = Path(self.project or "").expanduser()
        if not (root / FILE).is_file():
            what = f"has no {FILE}" if root.is_dir() else "is not a folder"
            raise ConfigurationError(f"{root} is not a project: it {what}; create one: automation init {root}")
        return root
