"""An SMTP sink in a process of its own: takes everything, and writes down each Message-ID with the time it came.

`python tests/support/sink.py LOG [SECONDS]` prints its port; SECONDS is how long it thinks before it answers a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^@>]+)@", re.I | re.M)
_END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """Pipelining, one answer a command; a message counts once its final dot has come."""

    def __init__(self, log: int, think: float) -> None:
        self._log = log
        self._think = think
        self._buffer = bytearray()
        self._reading = False
        self._thinking = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._step():
            pass

    def _step(self) -> bool:
        if self._thinking:
            return False
        if self._reading:
            end = self._buffer.find(_END)
            if end < 0:
                return False
            self._take(bytes(self._buffer[:end]))
            del self._buffer[: end + len(_END)]
            self._reading = False
            return True
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end]).upper()
        del self._buffer[: end + 2]
        self._answer(line)
        return True

    def _answer(self, line: bytes) -> None:
        if line.startswith(b"EHLO"):
            self._transport.write(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
        elif line.startswith(b"DATA"):
            self._reading = True
            self._transport.write(b"354 go\r\n")
        elif line.startswith(b"QUIT"):
            self._transport.write(b"221 bye\r\n")
            self._transport.close()
        else:
            self._transport.write(b"250 ok\r\n")

    def _take(self, message: bytes) -> None:
        found = _MESSAGE_ID.search(message)
        at = f" {time.monotonic():.4f}\n".encode()
        os.write(self._log, (found[1] if found else b"?") + at)
        if self._think:
            self._thinking = True  # what was pipelined behind it is answered after it
            asyncio.get_running_loop().call_later(self._think, self._say_taken)
        else:
            self._say_taken()

    def _say_taken(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"250 2.0.0 Ok: queued\r\n")
        if self._thinking:
            self._thinking = False
            self.data_received(b"")


async def serve(path: str, think: float) -> None:
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    server = await asyncio.get_running_loop().create_server(lambda: Sink(log, think), "127.0.0.1", 0, backlog=512)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@dataclass(frozen=True)
class Running:
    """A sink that runs: its port, and what it took."""

    port: int
    log: Path
    pid: int

    def taken(self) -> Counter[str]:
        """How often each message came."""
        return Counter(line.split()[0] for line in self._lines())

    def times(self) -> list[float]:
        """When each message came, in seconds of a clock that never jumps."""
        return [float(line.split()[1]) for line in self._lines()]

    def _lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@contextlib.contextmanager
def sink(folder: Path, *, think: float = 0.0) -> Iterator[Running]:
    """A sink on a free port."""
    log = folder / "sink.log"
    command = [sys.executable, __file__, str(log), str(think)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Running(int(process.stdout.readline()), log, process.pid)
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], float(sys.argv[2])))
