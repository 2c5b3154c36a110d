"""Takes pictures of pages with Chromium."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def photograph(page: Path, picture: Path, size: tuple[int, int], *, dark: bool = False) -> None:
    """The page as Chromium shows it, without asking the network for anything. dark: with its colours turned round."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("pictures of messages need Chromium, which is not installed")
    night = ["--blink-settings=forceDarkModeEnabled=true"] if dark else []
    subprocess.run(  # noqa: S603 - our own page
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *night,
            "--proxy-server=127.0.0.1:9", f"--window-size={size[0]},{size[1]}", f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=240,
    )  # fmt: skip
