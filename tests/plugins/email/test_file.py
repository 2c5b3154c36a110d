"""Messages on disk."""

from __future__ import annotations

import asyncio
import json
import mailbox
from dataclasses import replace
from pathlib import Path

import pytest

from automation.plugin_manager import load_plugins
from automation.testing.channel import check_channel, collect_receipts, example_messages
from automation.types.message import Verdict
from automation_email.file import FileChannel, FileOptions, FilePushChannel, FileSmsChannel

MESSAGES = example_messages("ana@example.org")


def entries(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("cls", [FileChannel, FileSmsChannel, FilePushChannel])
def test_contract(cls: type[FileChannel], tmp_path: Path) -> None:
    check_channel(lambda: cls(FileOptions(folder=tmp_path)))


def test_registered() -> None:
    registry = load_plugins()
    names = ("file", "file_push", "file_sms", "smtp")
    assert set(names) <= set(registry.names("channels"))
    assert [registry.find("channels", name).kind for name in names] == ["email", "push", "phone", "email"]


def test_a_maildir_that_others_can_read(tmp_path: Path) -> None:
    asyncio.run(collect_receipts(FileChannel(FileOptions(folder=tmp_path)), MESSAGES))
    found = mailbox.Maildir(tmp_path)
    assert sorted(str(one["Message-ID"]) for one in found) == [f"<{m.id}@lindholm.example>" for m in MESSAGES]
    assert list((tmp_path / "tmp").iterdir()) == []
    index = entries(tmp_path / "messages.jsonl")
    assert index[0] == {
        "id": f"{1:032x}",
        "attempt": 1,
        "channel": "example",
        "to": "ana@example.org",
        "sender": "Lindholm & Daughters <hello@lindholm.example>",
        "reply_to": "",
        "subject": "Grüße aus Malmö",
        "language": "en",
        "sent_at": "2026-03-02T09:30:00+00:00",
        "headers": {"List-Unsubscribe": "<https://lindholm.example/u/1>"},
        "path": f"new/{1:032x}.1",
    }
    assert all((tmp_path / str(entry["path"])).is_file() for entry in index)


def test_a_repeat_replaces_and_another_attempt_stands_beside(tmp_path: Path) -> None:
    channel = FileChannel(FileOptions(folder=tmp_path))
    for messages in (MESSAGES, MESSAGES, [replace(MESSAGES[0], attempt=2)]):
        asyncio.run(collect_receipts(channel, messages))
    assert len(list((tmp_path / "new").iterdir())) == 4


def test_a_refused_message_leaves_nothing(tmp_path: Path) -> None:
    channel = FileChannel(FileOptions(folder=tmp_path))
    answers = asyncio.run(collect_receipts(channel, [replace(MESSAGES[0], to="nobody"), MESSAGES[1]]))
    assert [answer.verdict for answer in answers] == [Verdict.FAILED, Verdict.SENT]
    assert len(list((tmp_path / "new").iterdir())) == 1
    assert [entry["id"] for entry in entries(tmp_path / "messages.jsonl")] == [MESSAGES[1].id]


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file where the folder should be")
    answers = asyncio.run(collect_receipts(FileChannel(FileOptions(folder=tmp_path / "outbox")), MESSAGES))
    assert {answer.verdict for answer in answers} == {Verdict.RETRY}


def test_sms_are_lines(tmp_path: Path) -> None:
    message = replace(MESSAGES[0], to="+4940123456", text="Hej\nAna")
    asyncio.run(collect_receipts(FileSmsChannel(FileOptions(folder=tmp_path)), [message]))
    assert [(entry["to"], entry["text"]) for entry in entries(tmp_path / "sms.jsonl")] == [("+4940123456", "Hej\nAna")]
    assert [path.name for path in tmp_path.iterdir()] == ["sms.jsonl"]
