"""Messages between the daemon and its planning process: a JSON list a line, over a socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any


class PlanningSocket(Iterator[list[Any]]):
    """One side of the socket. Iterating gives the other side's messages, and ends when it is gone."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._lock = threading.Lock()

    def send(self, kind: str, *content: object) -> None:
        """From any thread; lost where the other side is gone."""
        line = json.dumps([kind, *content]).encode() + b"\n"
        with self._lock, suppress(OSError):
            self._connection.sendall(line)

    def __next__(self) -> list[Any]:
        try:
            line = self._lines.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            raise StopIteration
        found: list[Any] = json.loads(line)
        return found

    def close(self) -> None:
        """The other side's iteration ends."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._lines.close()
        self._connection.close()
