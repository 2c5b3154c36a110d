"""Mail that comes back for messages that were really sent, from a Maildir and from an IMAP server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from support.project import automation
from support.returned_mail import bounce, complaint
from support.tokens import token_of
from support.toy_project import CONFIG, deliver, outbox, start, toy_project

from automation.delivery.sent_message import Rerendering
from automation.ids import bounce_token
from automation.inbound.flush import flush_events
from automation.inbound.mail_source import MailboxError
from automation.inbound.mailbox import MailCounts, read_mailbox
from automation.reporting.doctor import diagnose
from automation.store.people import consent
from automation.types.message import Rendered
from automation.workspace.workspace import Workspace


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    """Five customers have their message; the Maildir for what comes back is empty."""
    (tmp_path / "var/back/new").mkdir(parents=True)
    with toy_project(tmp_path, config=CONFIG + "mailbox: {maildir: var/back}\n") as toy:
        start(toy)
        assert deliver(toy).sent == 5
        yield toy


def message_to(toy: Workspace, customer: str) -> tuple[Rendered, str]:
    """The message, and the address that it went to."""
    found = next(line["id"] for line in outbox(toy) if line["to"].startswith(customer))
    message = Rerendering(toy).message(found)
    return message, message.to


def put(toy: Workspace, name: str, text: str) -> None:
    (toy.project.root / "var/back/new" / name).write_text(text)


def suppressed(toy: Workspace, address: str) -> dict[str, str]:
    with toy.store.reading() as connection:
        return {a: found.reason for a, found in consent.suppressed(connection, [address], "email").items()}


def events(toy: Workspace, type_: str) -> pl.DataFrame:
    """What the warehouse holds of one type, after everything was moved there."""
    warehouse = toy.warehouse()
    try:
        flush_events(toy, warehouse)
        found = warehouse.snapshot(toy.clock.now() + timedelta(days=1)).events
        return pl.from_arrow(found.filter(found.type == type_).to_pyarrow())  # type: ignore[return-value]
    finally:
        warehouse.close()


def test_a_dead_address_is_never_written_to_again(toy: Workspace) -> None:
    message, address = message_to(toy, "ana")
    put(toy, "1", bounce(message, "5.1.1"))
    assert read_mailbox(toy) == MailCounts(mails=1, dead_addresses=1)
    assert suppressed(toy, address) == {address: "hard_bounce"}
    found = events(toy, "email_bounce")
    assert found.select("customer_id", "kind", "status", "message_id").rows() == [
        ("c1", "dead_address", "5.1.1", message.id)
    ]
    assert [path.name for path in (toy.project.root / "var/back/cur").iterdir()] == ["1:2,S"]


def test_a_full_mailbox_is_written_to_again(toy: Workspace) -> None:
    message, address = message_to(toy, "ana")
    put(toy, "1", bounce(message, "5.2.2"))
    put(toy, "2", bounce(message, "4.4.1", "delayed"))
    assert read_mailbox(toy) == MailCounts(mails=2, refused=1, delayed=1)
    assert suppressed(toy, address) == {}
    assert events(toy, "email_bounce")["kind"].to_list() == ["refused"]
    assert events(toy, "email_delayed")["kind"].to_list() == ["delayed"]


def test_the_same_bounce_twice_is_one(toy: Workspace) -> None:
    message, _ = message_to(toy, "ana")
    for name in ("1", "2"):
        put(toy, name, bounce(message, "5.1.1"))
        read_mailbox(toy)
    assert events(toy, "email_bounce").height == 1


def test_a_complaint_stops_everything(toy: Workspace) -> None:
    message, address = message_to(toy, "ana")
    put(toy, "1", complaint(message))
    assert read_mailbox(toy) == MailCounts(mails=1, complaints=1)
    assert suppressed(toy, address) == {address: "complaint"}
    assert events(toy, "email_complaint")["message_id"].to_list() == [message.id]


def test_unsubscribing_by_mail(toy: Workspace) -> None:
    message, _ = message_to(toy, "ana")
    token = token_of(toy.store.secret, "unsubscribe", message.id)
    put(toy, "1", f"From: somebody@else.example\nSubject: unsubscribe {token}\n\n")
    assert read_mailbox(toy) == MailCounts(mails=1, unsubscribes=1)
    with toy.store.reading() as connection:
        states = consent.states(connection, ["c1", "c2"], ["email"], "promotions")
    assert dict(states.select("customer_id", "granted").rows()) == {"c1": False, "c2": True}


@pytest.mark.parametrize("purpose", ["open", "click", "preferences", "confirm", "bounce"])
def test_a_token_for_another_purpose_is_ignored(toy: Workspace, purpose: str) -> None:
    message, _ = message_to(toy, "ana")
    put(toy, "1", f"Subject: unsubscribe {token_of(toy.store.secret, purpose, message.id)}\n\n")
    assert read_mailbox(toy) == MailCounts(mails=1, unproven=1)


def test_an_id_alone_proves_nothing(toy: Workspace) -> None:
    """The id is in the message's header, in forwards and in archives: a report with it alone is anybody's."""
    message, address = message_to(toy, "ana")
    other, _ = message_to(toy, "ben")
    forged = f"{message.id}.{'0' * 16}"
    mails = [
        bounce(message, token=""),
        bounce(message, token=message.id),
        bounce(message, token=forged),
        bounce(message, token=token_of(toy.store.secret, "unsubscribe", message.id)),
        complaint(message, header=""),
        complaint(message, header=f"CFBL-Feedback-ID: {message.id}"),
        complaint(message, header=f"CFBL-Feedback-ID: {forged}"),
        complaint(message, header=f"CFBL-Feedback-ID: {token_of(toy.store.secret, 'open', message.id)}"),
        f"Subject: unsubscribe {message.id}\n\n",
        f"Subject: unsubscribe {forged}\n\n",
        bounce(message, recipient=other.to),  # somebody whom the message was forwarded to
        bounce(message, recipient="stranger@example.org"),
    ]
    for number, text in enumerate(mails):
        put(toy, f"{number:02}", text)
    counts = read_mailbox(toy)
    assert (counts.mails, counts.unproven + counts.unknown) == (len(mails), len(mails))
    assert suppressed(toy, address) == suppressed(toy, other.to) == {}


def test_a_complaint_with_our_return_path_counts(toy: Workspace) -> None:
    message, address = message_to(toy, "ana")
    put(toy, "1", complaint(message, header=f"Return-Path: <bounces+{message.bounce_token.upper()}@toy.example>"))
    assert read_mailbox(toy).complaints == 1
    assert suppressed(toy, address) == {address: "complaint"}


@pytest.mark.parametrize("written", ["<{}>", " {} ", "<{}> (Ana)"])
def test_a_recipient_in_another_spelling_is_the_same(toy: Workspace, written: str) -> None:
    message, address = message_to(toy, "ana")
    put(toy, "1", bounce(message, recipient=written.format(address.upper()).replace(" (Ana)", "")))
    assert read_mailbox(toy).dead_addresses == 1


def test_unrelated_mail_stays_unread(toy: Workspace) -> None:
    put(toy, "1", "Subject: A question\n\nWhere is my order?\n")
    put(toy, "2", bounce(message_to(toy, "ana")[0], token=bounce_token(toy.store.secret, "f" * 32)))
    put(toy, "3", "Content-Type: multipart/report; boundary=b\n\n" + "--b\n\nx\n" * 300 + "--b--\n")
    assert read_mailbox(toy) == MailCounts(mails=3, unknown=2, unreadable=1)
    assert sorted(path.name for path in (toy.project.root / "var/back/cur").iterdir()) == ["1:2,", "2:2,", "3:2,"]
    assert read_mailbox(toy) == MailCounts()


@pytest.mark.slow
def test_the_command(toy: Workspace) -> None:
    message, _ = message_to(toy, "ana")
    put(toy, "1", bounce(message, "5.1.1"))
    root = toy.project.root
    assert automation(root, "mailbox").stdout == "read 1 mail: 1 dead address\n"
    assert automation(root, "mailbox").stdout == "no new mail\n"


@pytest.mark.parametrize(
    ("path", "warned"), [("null", True), ("bounces@toy.example", True), ("'bounces+{token}@toy.example'", False)]
)
def test_doctor_tells_where_bounces_would_not_count(tmp_path: Path, path: str, warned: bool) -> None:
    channel = "email: {using: smtp, options: {host: localhost, return_path: PATH}}".replace("PATH", path)
    config = CONFIG.replace("email: {using: file, options: {folder: var/outbox}}", channel)
    assert config != CONFIG
    with toy_project(tmp_path, config=config + "mailbox: {maildir: var/back}\n") as toy:
        found = [check.detail for check in diagnose(toy).checks if check.name == "mailbox"]
    assert [text.startswith("bounces of email that come by mail do not count") for text in found] == [True] * warned


def test_a_folder_that_is_no_maildir(toy: Workspace) -> None:
    (toy.project.root / "var/back/new").rmdir()
    with pytest.raises(MailboxError, match=r"var/back is not a Maildir: it has no folder `new`"):
        read_mailbox(toy)


def test_a_project_without_a_mailbox(tmp_path: Path) -> None:
    with toy_project(tmp_path) as toy, pytest.raises(MailboxError, match=r"add `mailbox: \{maildir: FOLDER\}`"):
        read_mailbox(toy)
