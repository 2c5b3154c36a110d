"""The how-to of the web app, followed on a free port."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
from pathlib import Path

import pytest
from support.pages import ROOT, follow

PAGE = ROOT / "docs" / "how-to" / "track-opens-and-clicks.md"


@pytest.mark.slow
def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("curl") is None:
        pytest.skip("the page's commands need curl, which is not installed")
    monkeypatch.setenv("SHOP_KEY", "a-key-of-the-shop-0123456789")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    copy = tmp_path / PAGE.name
    copy.write_text(PAGE.read_text().replace("8417", str(port)))
    shop = tmp_path / "shop"
    shop.mkdir()
    try:
        assert follow(copy, shop) == 9
    finally:
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((shop / "web.pid").read_text()), signal.SIGTERM)
