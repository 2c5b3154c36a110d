"""The project that a new user starts from: the repository's own configuration, campaigns and templates."""

from __future__ import annotations

import shutil
from pathlib import Path

import automation
from automation.errors import AutomationError

PARTS = ("config.yaml", "campaigns", "templates")


def starter_folder() -> Path:
    """Where the starter project is: inside the installed package, or the checkout that it was installed from."""
    package = Path(automation.__file__).parent
    for folder in (package / "starter", package.parent):
        if all((folder / part).exists() for part in PARTS):
            return folder
    raise AutomationError(f"the starter project is missing beside {package}; install the package again")


def copy_starter(folder: Path, *, starter: Path | None = None) -> None:
    """Copy the starter project into `folder`. Raises `AutomationError` where a part of it is there already."""
    source = starter or starter_folder()
    taken = [part for part in PARTS if (folder / part).exists()]
    if taken:
        raise AutomationError(f"{folder} has a {taken[0]} already; choose an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, folder / part)
        else:
            shutil.copy(source / part, folder / part)
