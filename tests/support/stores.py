"""An empty store for every test, on each database that the store tests run over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from automation.store.engine import Store, open_store

DIALECTS = ("sqlite",)


def open_empty(dialect: str, folder: Path) -> Store:
    assert dialect == "sqlite", f"no empty store for {dialect}"
    return open_store(folder / "store.db")


@pytest.fixture(params=DIALECTS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_empty(request.param, tmp_path)
    yield opened
    opened.close()
