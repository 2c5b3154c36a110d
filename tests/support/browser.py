"""A real browser without a window, driven through a pipe by the Chrome DevTools protocol."""

from __future__ import annotations

import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 30.0
KEYS = {"Enter": (13, "\r"), "Tab": (9, "\t"), " ": (32, " ")}


class Browser:
    """One tab. `complaints` are what the page was refused: scripts, styles and pictures against its policy."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._numbers = itertools.count(1)
        self._pending = b""
        self._session = ""
        self.complaints: list[str] = []
        self._loaded = 0
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Log", "Runtime", "DOM"):
            self._ask(f"{domain}.enable")

    def open(self, url: str) -> None:
        before = self._loaded
        self._ask("Page.navigate", url=url)
        self._wait_for_page(before)

    def press(self, key: str, *, loads: bool = False) -> None:
        """A key of the keyboard, on whatever has the focus; `loads`: it leads to another page."""
        before, (code, text) = self._loaded, KEYS[key]
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if kind == "keyDown" and key != "Tab" else {}
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **typed)
        if loads:
            self._wait_for_page(before)

    def look(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        return self._ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def tab_to(self, selector: str) -> None:
        """Go there by the keyboard alone."""
        for _ in range(20):
            self.press("Tab")
            if self.look(f"document.activeElement.matches({json.dumps(selector)})"):
                return
        raise AssertionError(f"{selector} can't be reached by the Tab key")

    def text(self) -> str:
        return str(self.look("document.body.innerText"))

    def _wait_for_page(self, before: int) -> None:
        until = time.monotonic() + PATIENCE
        while self._loaded == before:
            self._take(self._next(until))

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while True:
            answer = self._next(until)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                found: dict[str, Any] = answer["result"]
                return found
            self._take(answer)

    def _take(self, event: dict[str, Any]) -> None:
        if event.get("method") == "Page.loadEventFired":
            self._loaded += 1
        elif event.get("method") == "Log.entryAdded":
            self.complaints.append(event["params"]["entry"]["text"])

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._pending:
            ready, _, _ = select.select([self._back], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise AssertionError("the browser did not answer in time")
            read = os.read(self._back, 65_536)
            assert read, "the browser ended"
            self._pending += read
        line, _, self._pending = self._pending.partition(b"\0")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """Chromium for one test; skips where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no browser: the package chromium is not installed")
    to_read, to_write = os.pipe()
    back_read, back_write = os.pipe()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
               "--remote-debugging-pipe", f"--user-data-dir={profile}"]  # fmt: skip
    # The browser reads commands from its descriptor 3 and answers on 4.
    shell = f"exec {program} {' '.join(options)} 3<&{to_read} 4>&{back_write}"
    process = subprocess.Popen(
        ["bash", "-c", shell], pass_fds=(to_read, back_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(to_read)
    os.close(back_write)
    try:
        yield Browser(to_write, back_read)
    finally:
        os.close(to_write)
        os.close(back_read)
        process.terminate()
        process.wait(timeout=20)
