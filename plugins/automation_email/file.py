"""Channels that write files instead of sending: for tests, for the demo, and for other programs to pick up."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, Field

from automation import contracts
from automation.contracts import HandOver, Withdrawn
from automation.types.message import Receipt, Rendered, Verdict
from automation_email.address import MimeError, reject_control_characters
from automation_email.mime import build


class FileOptions(contracts.Options):
    """Where to write; a relative folder starts at the project's folder."""

    folder: Path = Field(default=Path("outbox"), description="the folder that the messages are written to")


class FileChannel:
    """E-mail into a Maildir, one message a file, and one line a message in `messages.jsonl`.

    A file is named `<message id>.<attempt>` and is replaced atomically when it is written again. A line of the index
    holds id, attempt, channel, to, sender, reply_to, subject, language, sent_at, headers and path; writing again adds a
    line with the same id and attempt, and the last one counts. `deliver` answers SENT once both are written (not
    synced), FAILED for invalid e-mail, RETRY for a disk error.
    """

    kind: ClassVar[str] = "email"
    live: ClassVar[bool] = False  # nothing leaves this machine
    Options: ClassVar[type[BaseModel]] = FileOptions

    def __init__(self, options: FileOptions) -> None:
        self.options = options

    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """One receipt for each message, in order."""
        for receipt in await asyncio.to_thread(self._write_all, [m for m in messages if _hand_over(hand_over, m)]):
            yield receipt

    async def close(self) -> None:
        """Nothing to close."""

    def _write_all(self, messages: Sequence[Rendered]) -> list[Receipt]:
        receipts, lines = [], []
        for message in messages:
            try:
                lines.append(_line(message, self._write(message)))
                receipts.append(Receipt(message.id, message.attempt, Verdict.SENT))
            except MimeError as error:
                receipts.append(Receipt(message.id, message.attempt, Verdict.FAILED, str(error)))
            except OSError as error:
                receipts.append(Receipt(message.id, message.attempt, Verdict.RETRY, error.strerror or "disk error"))
        try:
            _append(self.options.folder / self._index, lines)
        except OSError as error:
            return [Receipt(one.id, one.attempt, Verdict.RETRY, error.strerror or "disk error") for one in messages]
        return receipts

    _index: ClassVar[str] = "messages.jsonl"

    def _write(self, message: Rendered) -> dict[str, str]:
        data = build(message)
        name = f"{message.id}.{message.attempt}"
        for part in ("tmp", "new", "cur"):
            (self.options.folder / part).mkdir(parents=True, exist_ok=True)
        beside = self.options.folder / "tmp" / name
        beside.write_bytes(data)
        beside.replace(self.options.folder / "new" / name)
        return {"path": f"new/{name}"}


class FileSmsChannel(FileChannel):
    """SMS as lines of `sms.jsonl`: the fields as for e-mail, and `text`."""

    kind: ClassVar[str] = "phone"
    _index: ClassVar[str] = "sms.jsonl"

    def _write(self, message: Rendered) -> dict[str, str]:
        for text, what in (
            (message.to, "the number"),
            (message.id, "the id"),
            *((v, k) for k, v in message.headers.items()),
        ):
            reject_control_characters(text, what)
        self.options.folder.mkdir(parents=True, exist_ok=True)
        return {"text": message.text}


class FilePushChannel(FileSmsChannel):
    """Push messages as lines of `push.jsonl`."""

    kind: ClassVar[str] = "push"
    _index: ClassVar[str] = "push.jsonl"


def _hand_over(hand_over: HandOver, message: Rendered) -> bool:
    try:
        hand_over(message)
    except Withdrawn:
        return False
    return True


def _line(message: Rendered, written: dict[str, str]) -> str:
    entry = {
        "id": message.id,
        "attempt": message.attempt,
        "channel": message.channel,
        "to": message.to,
        "sender": message.sender,
        "reply_to": message.reply_to,
        "subject": message.subject,
        "language": message.language,
        "sent_at": message.sent_at.isoformat(),
        "headers": dict(message.headers),
        **written,
    }
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _append(path: Path, lines: list[str]) -> None:
    """Append in one write, so that the lines of two processes never mix."""
    if not lines:
        return
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        data = "".join(lines).encode()
        while data:
            data = data[os.write(file, data) :]
    finally:
        os.close(file)
