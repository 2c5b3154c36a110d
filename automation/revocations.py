"""The revocation log: what takes back granted messages, read by the workers right before they hand a message over.

A worker cannot look into the store, and a granted message may wait in it for seconds. So every process that records an
unsubscribe, a suppression, a stop or a cancellation appends a line to one file beside the store, after its commit and
before it answers. A message that a line is about goes back to the committer, which decides about it again; a line too
many therefore costs a moment, never a message.

A line is the hash of a key, 16 hex digits, so that no address is in the file. It is not synced: the processes that it
is for end with the machine.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from hashlib import blake2b
from pathlib import Path

FILE = "revocations.log"
_ALL = "all"
_DIGEST = 8
_LINE = 2 * _DIGEST + 1
_MOST_KEYS = 1_000
"""More keys than this in one transaction, such as an import's, are written as one line about everybody."""
_KEPT = 100_000
"""Lines that a reader remembers one by one; about older ones it knows that there were some."""


def customer_key(customer_id: str) -> str:
    return f"customer|{customer_id}"


def address_key(address: str) -> str:
    """address: normalised, or a whole domain such as `@example.org`."""
    return f"address|{address}"


def campaign_key(name: str) -> str:
    return f"campaign|{name}"


def channel_key(name: str) -> str:
    return f"channel|{name}"


def everything_key() -> str:
    """A key about every message."""
    return _ALL


class RevocationLog:
    """The log as its writers see it. `path` is None where the store is not a file of this machine: there is no log."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def append(self, keys: Collection[str]) -> None:
        """Take back what is granted and not yet handed over. Raises `OSError` if the file can't be written."""
        if not keys or self.path is None:
            return
        few = keys if len(keys) <= _MOST_KEYS else (_ALL,)
        lines = b"".join(_digest(key) + b"\n" for key in few)
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.write(file, lines) != len(lines):
                raise OSError("the revocation log can't be written: the disk is full")
        finally:
            os.close(file)

    def end(self) -> int:
        """The end of the log, read before the transaction that grants: what is appended later is news to its grants."""
        if self.path is None:
            return 0
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def reader(self) -> RevocationReader:
        """A worker's view of the log; the caller must close it."""
        return RevocationReader(self.path)

    def clear(self) -> None:
        """Begin anew, once every earlier worker has ended."""
        if self.path is not None:
            self.path.write_bytes(b"")


class RevocationReader:
    """The log as a worker sees it: it reads on from where it was, 1 µs where there is nothing new."""

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else os.open(path, os.O_RDONLY | os.O_CREAT, 0o600)
        self._read = 0
        self._began_anew = False  # under another committer: whatever this worker still has goes back
        self._all = -1  # where the last line about every message begins
        self._last: dict[bytes, int] = {}  # a key's digest -> where its last line begins

    def has_news(self, since: int) -> bool:
        """Whether anything was taken back after `since` (`RevocationLog.end`)."""
        if self._file is None:
            return False
        if os.fstat(self._file).st_size != self._read:
            self._read_on()
        return self._began_anew or self._read > since

    def revokes(self, keys: Iterable[str], since: int) -> bool:
        """Whether a line after `since` is about one of the keys."""
        if not self.has_news(since):
            return False
        return self._began_anew or self._all >= since or any(self._last.get(_digest(key), -1) >= since for key in keys)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read_on(self) -> None:
        assert self._file is not None
        size = os.fstat(self._file).st_size
        if size < self._read:
            self._began_anew = True
            return
        data = os.pread(self._file, size - self._read, self._read)
        everything = _digest(_ALL)
        at = self._read
        for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
            digest = line.rstrip(b"\n")
            if digest == everything or len(line) != _LINE:  # a line that was cut short may have been about anybody
                self._all = at
            self._last[digest] = at
            at += len(line)
        self._read = at
        self._forget()

    def _forget(self) -> None:
        if len(self._last) <= _KEPT:
            return
        kept = sorted(self._last.items(), key=lambda one: one[1])[-_KEPT // 2 :]
        self._all = max(self._all, kept[0][1] - 1)
        self._last = dict(kept)


def _digest(key: str) -> bytes:
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).hexdigest().encode()
