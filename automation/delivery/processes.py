"""Who a process is, so that none is killed that only has a dead one's number."""

from __future__ import annotations

import platform
from pathlib import Path


def host() -> str:
    return platform.node()


def boot_id() -> str:
    """Changes when the machine starts; "" where the system has none."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


def started(pid: int) -> str:
    """When the process began, in the kernel's ticks since boot; "" where it is gone or can't be told."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
