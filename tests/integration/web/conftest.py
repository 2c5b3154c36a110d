"""A shop that has sent its messages, anew for each test; config.yaml names every webhook and a mailbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.web import KEY, SHOP_CONFIG, Shop, reopened, sent, serving
from support.webhooks import MAILBOX, SECRET, WEBHOOKS, Amazon


@pytest.fixture(scope="module")
def sent_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOP_KEY", KEY)
        environment.setenv("HOOK_SECRET", SECRET)
        sent(root, config=SHOP_CONFIG + WEBHOOKS + MAILBOX).store.close()
        yield root


@pytest.fixture
def shop(sent_shop: Path, tmp_path: Path) -> Iterator[Shop]:
    with serving(reopened(sent_shop, tmp_path / "copy")) as shop:
        yield shop


@pytest.fixture
def amazon(shop: Shop) -> Iterator[Amazon]:
    amazon = Amazon(shop.workspace)
    yield amazon
    amazon.writer.close()
