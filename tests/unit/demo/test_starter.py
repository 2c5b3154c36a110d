"""The starter project: what `automation init` and the demo copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from automation.demo.starter import PARTS, copy_starter, starter_folder
from automation.errors import AutomationError


def test_the_starter_is_copied_whole_and_never_over_something(tmp_path: Path) -> None:
    copy_starter(tmp_path / "shop")
    copied = {path.relative_to(tmp_path / "shop") for path in (tmp_path / "shop").rglob("*") if path.is_file()}
    source = {
        path.relative_to(starter_folder())
        for part in PARTS
        for path in [starter_folder() / part, *(starter_folder() / part).rglob("*")]
        if path.is_file()
    }
    assert copied == source
    with pytest.raises(AutomationError, match=r"already has config\.yaml; choose an empty folder"):
        copy_starter(tmp_path / "shop")
