"""A worker process without access to the store, started by the committer.

`python -m automation.delivery.worker SOCKET PULSE`: it receives launches and grants over a socket and returns receipts.
It loads no database library.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from automation.clock import monotonic
from automation.config.project import project_of_text
from automation.delivery.composer import Composer
from automation.delivery.dispatcher import Dispatcher
from automation.delivery.executor import LaunchedText
from automation.delivery.flight_recorder import Recorder, pack
from automation.delivery.frames import encode_frame, read_frame, unpack_grants
from automation.revocations import RevocationReader
from automation.types.message import Receipt
from automation.workspace.channels import channel_of
from automation.workspace.message_defaults import message_defaults_of
from automation.workspace.plugins import registry_of

BEAT = 0.5
"""Seconds between two heartbeats."""
_STUCK = 120.0
"""Seconds without a turn of the event loop after which the heartbeat stops."""
_GATHER = 0.004
"""Seconds that receipts wait for each other."""


class Worker:
    """One worker. When the socket closes, it finishes its granted messages and ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._receipts: list[object] = []
        self._groups: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        _, hello = await read_frame(self._reader)
        self._begin(hello)
        try:
            while True:
                kind, *content = await read_frame(self._reader)
                self._take(kind, content)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # shut down, or the committer is gone: granted messages are still sent and recorded
        await asyncio.gather(*self._groups, return_exceptions=True)
        self._flush()
        await self._dispatcher.close()
        await _closed(self._writer)

    def _begin(self, hello: Mapping[str, Any]) -> None:
        root = Path(hello["root"])
        os.chdir(hello["cwd"])
        self._project = project_of_text(root, hello["config"], registry_of(root))
        secret = bytes.fromhex(hello["secret"])
        self._composer = Composer(message_defaults_of(self._project, secret))
        recorder = Recorder(Path(hello["recorder"]))
        log = hello["revocations"]
        self._dispatcher = Dispatcher(
            self._composer,
            lambda name, provider: channel_of(self._project, name, provider),
            recorder,
            self._report,
            RevocationReader(None if log is None else Path(log)),
        )
        gc.collect()
        gc.freeze()  # never collect what is loaded now: scanning it again costs 5 % of a message
        gc.set_threshold(20_000)
        self._say("ready")

    def _take(self, kind: str, content: list[Any]) -> None:
        match kind:
            case "group":
                self._start(self._dispatcher.dispatch(unpack_grants(content[0]), content[1]))
            case "launch":
                launch_id, campaign, text, files = content
                decoded = {path: base64.b64decode(body) for path, body in files.items()}
                self._composer.show_launch(self._project, launch_id, LaunchedText(campaign, text, decoded))
            case "batch":
                self._composer.show_batch(*content)
            case "forget":
                self._composer.forget_batch(*content)
            case "resolve":
                self._start(self._dispatcher.resolve(unpack_grants(content[0])))

    def _start(self, work: Any) -> None:
        group = asyncio.create_task(work)
        self._groups.add(group)
        group.add_done_callback(self._done)

    def _done(self, group: asyncio.Task[None]) -> None:
        self._groups.discard(group)
        if not group.cancelled() and (error := group.exception()) is not None:
            structlog.get_logger(__name__).error("a group failed", error=repr(error))

    def _report(self, receipt: Receipt) -> None:
        if not self._receipts:
            asyncio.get_running_loop().call_later(_GATHER, self._flush)
        self._receipts.append(pack(receipt))

    def _flush(self) -> None:
        if self._receipts:
            found, self._receipts = self._receipts, []
            self._say("receipts", found)

    def _say(self, kind: str, *content: object) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode_frame(kind, *content))


async def _closed(writer: asyncio.StreamWriter) -> None:
    try:
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    except ConnectionError:
        pass


class Heartbeat(threading.Thread):
    """Heartbeats from a thread: a frozen process falls silent, and so does one whose event loop is stuck."""

    def __init__(self, file: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(daemon=True)
        self._file = file
        self._loop = loop
        self._turned = monotonic()

    def run(self) -> None:
        while monotonic() - self._turned < _STUCK:
            os.write(self._file, b".")
            time.sleep(BEAT)
            try:
                self._loop.call_soon_threadsafe(self._turn)
            except RuntimeError:
                return  # the loop has ended

    def _turn(self) -> None:
        self._turned = monotonic()


def log_to(writer: asyncio.StreamWriter) -> None:
    """Send log lines to the committer, which writes the log."""

    def send(_logger: object, level: str, event: Any) -> Any:
        if not writer.is_closing():
            fields = {str(key): value if isinstance(value, int | float) else str(value) for key, value in event.items()}
            writer.write(encode_frame("log", level, fields))
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.processors.format_exc_info, send])


async def run_worker(file: int, pulse: int) -> None:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=file), limit=2**24)
    log_to(writer)
    Heartbeat(pulse, asyncio.get_running_loop()).start()
    await Worker(reader, writer).work()


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the committer says when to shut down
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o077)
    asyncio.run(run_worker(int(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    main()
