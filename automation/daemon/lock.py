"""The project's lock: the process that holds it is the ledger's only committer."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automation.errors import AutomationError

FILE = "daemon.lock"


class Locked(AutomationError):
    """Another process delivers for this project. `pid` is its process id, 0 where it can't be read."""

    def __init__(self, folder: Path, pid: int) -> None:
        super().__init__(
            f"a daemon is already running for {folder} (process {pid or 'unknown'}); "
            f"automation status shows it, and kill {pid or 'PID'} stops it"
        )
        self.pid = pid


@contextmanager
def hold_lock(data_dir: Path) -> Iterator[None]:
    """Hold the project's lock; the kernel releases it when the process ends in any way. Raises `Locked`."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(data_dir / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Locked(data_dir, _pid(file)) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(file, 0)
    finally:
        os.close(file)


def find_lock_holder(data_dir: Path) -> int | None:
    """The process that holds the lock: 0 if its id can't be read, None if nobody holds it."""
    try:
        file = os.open(data_dir / FILE, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _pid(file)
    finally:
        os.close(file)
    return None


def _pid(file: int) -> int:
    text = os.pread(file, 32, 0).decode(errors="replace").strip()
    return int(text) if text.isdecimal() else 0
