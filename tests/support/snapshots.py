"""A process that reads an old state of the store and keeps it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_KEEP = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM run").fetchone()
print("reading", flush=True)
sys.stdin.read()
"""


@contextmanager
def kept_snapshot(store: Path) -> Iterator[int]:
    """Until the end of the block; gives the id of the process."""
    command = [sys.executable, "-S", "-c", _KEEP, str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        yield process.pid
        process.communicate()
