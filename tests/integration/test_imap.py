"""Returned mail on a real IMAP server: read once, and only from a server whose certificate is verified."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.certificates import certificate, server_tls
from support.imap import ImapServer, imap_server
from support.returned_mail import bounce
from support.toy_project import CONFIG, deliver, outbox, start, toy_project

from automation.config.settings import Imap
from automation.delivery.sent_message import Rerendering
from automation.inbound.mail_source import MailboxError
from automation.inbound.mailbox import MailCounts, read_mailbox
from automation.inbound.returned_mail import MAX_SIZE
from automation.types.secret import Secret
from automation.workspace.workspace import Workspace

PASSWORD = "a-password-of-the-mailbox"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("keys"))


def project(root: Path, server: ImapServer, monkeypatch: pytest.MonkeyPatch, *, host: str, more: str) -> Workspace:
    monkeypatch.setenv("IMAP_PASSWORD", PASSWORD)
    imap = f"{{host: {host}, port: {server.port}, username: shop, password: '${{IMAP_PASSWORD}}'{more}}}"
    return toy_project(root, config=f"{CONFIG}mailbox: {{imap: {imap}}}\n")


def test_mail_on_a_server_is_read_once(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = f", ca_file: {keys}/cert.pem"
    with (
        imap_server({}, server_tls(keys)) as server,
        project(tmp_path, server, monkeypatch, host="localhost", more=own) as toy,
    ):
        start(toy)
        deliver(toy)
        sent = next(line["id"] for line in outbox(toy) if line["to"].startswith("ana"))
        message = Rerendering(toy).message(sent)
        server.mails = {
            "11": bounce(message).replace("\n", "\r\n").encode(),
            "12": b"Subject: Where is my order?\r\n\r\nHello\r\n",
            "13": b"Subject: x\r\n\r\n" + b"x" * MAX_SIZE,
        }
        assert read_mailbox(toy) == MailCounts(mails=3, dead_addresses=1, unknown=1, unreadable=1)
        assert server.flags == {"11": {"Seen"}, "12": {"Flagged"}, "13": {"Flagged"}}
        assert read_mailbox(toy) == MailCounts()
        assert server.logins == [PASSWORD] * 2


@pytest.mark.parametrize(
    ("host", "trusted", "why"),
    [("localhost", False, "certificate verify failed"), ("127.0.0.1", True, "IP address mismatch")],
)
def test_a_server_that_is_not_the_one_named_gets_no_password(
    tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch, host: str, trusted: bool, why: str
) -> None:
    more = f", ca_file: {keys}/cert.pem" if trusted else ""
    with imap_server({}, server_tls(keys)) as server:
        with (
            project(tmp_path, server, monkeypatch, host=host, more=more) as toy,
            pytest.raises(MailboxError, match=why),
        ):
            read_mailbox(toy)
        assert server.logins == []


def test_on_this_machine_a_server_may_do_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        imap_server({}) as server,
        project(tmp_path, server, monkeypatch, host="127.0.0.1", more=", tls: false") as toy,
    ):
        assert read_mailbox(toy) == MailCounts()
        assert server.logins == [PASSWORD]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "[::1]", "localhost", "LOCALHOST."])
def test_a_host_that_is_this_machine(host: str) -> None:
    assert not Imap(host=host, tls=False, username="u", password=Secret("p")).tls


@pytest.mark.parametrize(
    "host",
    ["imap.example.com", "10.0.0.5", "192.168.1.4", "localhost.example.com", "127.0.0.1.example.com", "2001:db8::1"],
)
def test_without_tls_no_other_host_is_allowed(host: str) -> None:
    with pytest.raises(ValueError, match="anybody on the way can read the password"):
        Imap(host=host, tls=False, username="u", password=Secret("p"))
