"""A shop that has sent its messages, anew for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.web import KEY, Shop, reopened, sent, serving


@pytest.fixture(scope="module")
def sent_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOP_KEY", KEY)
        sent(root).store.close()
        yield root


@pytest.fixture
def shop(sent_shop: Path, tmp_path: Path) -> Iterator[Shop]:
    with serving(reopened(sent_shop, tmp_path / "copy")) as shop:
        yield shop
