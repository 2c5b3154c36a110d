"""Two empty folders for plugins; what a test imported from them is forgotten afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.plugin_shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    (tmp_path / "site").mkdir()
    (tmp_path / "plugins").mkdir()
    monkeypatch.delenv("AUTOMATION_PLUGINS", raising=False)
    before = set(sys.modules)
    yield Shelf(tmp_path / "site", tmp_path / "plugins", monkeypatch)
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]
