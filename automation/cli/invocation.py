"""What every command is given: which project, and where its results go."""

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
    """One call of a command. `given` is what `--project` said."""

    command: str
    given: str | None
    output: Output

    def root(self) -> Path:
        """The project folder. Raises `ConfigurationError`."""
        if self.given is not None:
            return self._given()
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / FILE).is_file():
                return folder
        raise ConfigurationError(
            f"neither {here} nor a folder above it has a {FILE}; name the project with --project DIR, "
            f"or make one: automation init DIR"
        )

    def root_or_none(self) -> Path | None:
        """The project folder, for commands that also work without one."""
        try:
            return self.root()
        except ConfigurationError:
            if self.given is not None:
                raise
            return None

    def workspace(self) -> Workspace:
        """The project, opened for work; relative folders in its files are taken from its root from here on."""
        from automation.workspace.workspace import open_workspace

        root = self.root().resolve()
        os.chdir(root)
        return open_workspace(root)

    def _given(self) -> Path:
        root = Path(self.given or "").expanduser()
        if not (root / FILE).is_file():
            what = f"has no {FILE}" if root.is_dir() else "is not a folder"
            raise ConfigurationError(f"{root} is not a project: it {what}; make one: automation init {root}")
        return root
