"""Every test here also holds the rule for write transactions (`support.transactions`)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.transactions import watching


@pytest.fixture(autouse=True)
def _write_transactions() -> Iterator[None]:
    with watching() as watched:
        yield
    assert not watched.found, "\n".join(watched.found)
