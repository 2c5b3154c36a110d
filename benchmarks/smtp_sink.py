"""A mail server that takes everything and keeps nothing: Postfix's own `smtp-sink`, on a free port of this machine."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


def tool(name: str) -> str | None:
    """Where one of Postfix's test programs is; None where Postfix isn't installed."""
    return shutil.which(name, path=_PATH)


@contextmanager
def smtp_sink() -> Iterator[int]:
    """Gives the port. Needs the Debian package `postfix`."""
    program = tool("smtp-sink")
    if program is None:
        raise SystemExit("smtp-sink is missing: it comes with the Debian package postfix")
    port = _free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else ["-u", pwd.getpwuid(os.geteuid()).pw_name]
    server = subprocess.Popen([program, *user, f"127.0.0.1:{port}", "1000"])
    try:
        _wait_for(port)
        yield port
    finally:
        server.kill()
        server.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("smtp-sink does not answer")
