"""A worker's flight recorder: what it did with each message, read when it has died.

An append-only file with one line an event, under a lock that the process holds for life. It is not synced: a killed
process loses nothing of it, and after a lost machine its messages count as ambiguous anyway.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from automation.types.message import Receipt, Rendered, Verdict

_HANDED_OVER, _RESULT, _BREACH = "D", "R", "X"


class Recorder:
    """Writes a recorder. Raises `OSError` before anything is handed over, if it can't be written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def handed_over(self, message: Rendered) -> None:
        """Record that from now on the message may arrive. 3 µs."""
        self._write(f"{_HANDED_OVER} {message.id} {message.attempt}\n")

    def received(self, receipt: Receipt) -> None:
        """Record the channel's answer."""
        self._write(f"{_RESULT} {json.dumps(pack(receipt))}\n")

    def breach(self, channel: str) -> None:
        """Record that a channel reported a message as sent without handing it over first: it can't be trusted."""
        self._write(f"{_BREACH} {channel}\n")

    def close(self) -> None:
        """Release the lock; the file stays until its results are in the ledger."""
        os.close(self._file)

    def _write(self, line: str) -> None:
        data = line.encode()
        before = os.fstat(self._file).st_size if len(data) > 4_000 else None
        written = os.write(self._file, data)
        if written != len(data):  # the disk is full: half a line must not stand before the next one
            size = os.fstat(self._file).st_size
            os.ftruncate(self._file, before if before is not None else size - written)
            raise OSError("the flight recorder can't be written: the disk is full")


@dataclass
class Recording:
    """What a recorder holds: the attempt of each message that was handed over, and the answers."""

    handed_over: dict[str, int] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    breached: set[str] = field(default_factory=set)

    def conclude(self, message: str, attempt: int, channel: str) -> Receipt:
        """What is known about a message that the worker was granted."""
        receipt = self.receipts.get(message)
        if receipt is not None and receipt.attempt == attempt:
            return receipt
        if self.handed_over.get(message) == attempt or channel in self.breached:
            return Receipt(message, attempt, Verdict.AMBIGUOUS, DIED)
        return Receipt(message, attempt, Verdict.RETURNED, "the worker died before it was handed over")


DIED = "the worker died before the answer"


def read(path: Path) -> Recording:
    """Read a recorder; an incomplete last line is ignored. Raises `OSError` if there is none."""
    found = Recording()
    *lines, _cut = path.read_text().split("\n")
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == _HANDED_OVER:
            message, _, attempt = rest.partition(" ")
            found.handed_over[message] = int(attempt)
            found.receipts.pop(message, None)  # of an earlier grant that was returned, and so has the same attempt
        elif kind == _RESULT:
            receipt = unpack(json.loads(rest))
            found.receipts[receipt.id] = receipt
        elif kind == _BREACH:
            found.breached.add(rest)
    return found


def await_lock(path: Path, seconds: float) -> bool:
    """Whether no process holds the recorder's lock, waiting up to `seconds` for it."""
    file = os.open(path, os.O_RDWR)
    until = time.monotonic() + seconds
    try:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() >= until:
                    return False
                time.sleep(0.02)
            else:
                return True
    finally:
        os.close(file)


def pack(receipt: Receipt) -> list[object]:
    """A receipt as values for JSON."""
    wait = receipt.retry_after
    return [
        receipt.id,
        receipt.attempt,
        receipt.verdict.value,
        receipt.detail,
        receipt.provider_id,
        None if wait is None else wait.total_seconds(),
        receipt.suppress,
    ]


def unpack(packed: list[object]) -> Receipt:
    message, attempt, verdict, detail, provider_id, wait, suppress = packed
    assert isinstance(attempt, int)
    return Receipt(
        str(message),
        attempt,
        Verdict(str(verdict)),
        str(detail),
        str(provider_id),
        timedelta(seconds=float(wait)) if isinstance(wait, int | float) else None,
        str(suppress),
    )
