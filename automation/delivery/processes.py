"""Identifies processes, so that none is killed that only reuses a dead worker's number."""

from __future__ import annotations

import platform
from pathlib import Path


def host() -> str:
    return platform.node()


def boot_id() -> str:
    """Changes at every start of the machine; "" where the system has none."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


def started(pid: int) -> str:
    """When the process started, in ticks since boot; "" if it is gone or unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
