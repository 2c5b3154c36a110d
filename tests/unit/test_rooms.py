"""The folders of the unit tests are the folders of the package: where a thing is, its test is too."""

from __future__ import annotations

from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parent
PACKAGE = UNIT.parents[1] / "automation"
FOLDERS = sorted(
    folder.relative_to(UNIT).as_posix()
    for folder in UNIT.rglob("*")
    if folder.is_dir() and any(folder.glob("test_*.py"))
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_folder_is_one_of_the_package(folder: str) -> None:
    assert (PACKAGE / folder).is_dir()


def test_no_file_is_without_a_room() -> None:
    """A module stands in a room; what stands beside the rooms is what every room stands on."""
    beside = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert beside <= {
        "clock", "errors", "event_types", "fetching", "hookspecs", "ids", "local_engine", "plugin_manager",
        "revocations", "syncing",
    }  # fmt: skip
