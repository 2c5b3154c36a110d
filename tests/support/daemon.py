"""Waiting for a daemon that runs as a process of its own, by what can be seen of it from outside."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE = 60.0


def wait_for(what: Callable[[], object], daemon: subprocess.Popen[str], *, patience: float = PATIENCE) -> None:
    """Poll until `what()` is true; the daemon must not end meanwhile."""
    until = time.monotonic() + patience
    while not what():
        assert daemon.poll() is None, daemon.communicate()[0]
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def read_heartbeat(root: Path) -> dict[str, Any]:
    """The daemon's last heartbeat; empty before the first."""
    file = root / "var" / "daemon.json"
    return json.loads(file.read_text()) if file.exists() else {}


class Heartbeats:
    """Counts the heartbeats of a daemon from now on.

    The main loop writes one every two seconds, and every part of the daemon looks for work once a second: with the
    second heartbeat, each part has looked again. A busy machine delays the heartbeats as well.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._last = read_heartbeat(root)
        self._count = 0

    def came(self, count: int = 2) -> bool:
        """Whether that many came; call it again and again."""
        beat = read_heartbeat(self._root)
        if beat != self._last:
            self._count += 1
            self._last = beat
        return self._count >= count


def wait_for_heartbeats(root: Path, daemon: subprocess.Popen[str]) -> None:
    """Give every part of the daemon the time to look for work again."""
    beats = Heartbeats(root)
    wait_for(beats.came, daemon)
