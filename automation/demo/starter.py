"""The project that a new user starts with: the repository's own configuration, campaigns and templates."""

from __future__ import annotations

import shutil
from pathlib import Path

import automation
from automation.errors import AutomationError

PARTS = ("config.yaml", "campaigns", "templates")


def starter_folder() -> Path:
    """The starter project: inside the installed package, or in the checkout that it was installed from."""
    package = Path(automation.__file__).parent
    for folder in (package / "starter", package.parent):
        if all((folder / part).exists() for part in PARTS):
            return folder
    raise AutomationError(f"the starter project is missing beside {package}; install the package again")


def copy_starter(folder: Path, *, starter: Path | None = None) -> None:
    """Copy the starter project into `folder`. Raises `AutomationError` if the folder already has a part of it."""
    source = starter or starter_folder()
    taken = [part for part in PARTS if (folder / part).exists()]
    if taken:
        raise AutomationError(f"{folder} already has {taken[0]}; choose an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, folder / part)
        else:
            shutil.copy(source / part, folder / part)
