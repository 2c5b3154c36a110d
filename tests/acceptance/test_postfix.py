"""A real mail server: it takes our mail, and what it can't deliver comes back and ends the address."""

from __future__ import annotations

import base64
import email
import email.policy
import re
from collections.abc import Iterator
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.postfix import Postfix, postfix, why_not
from support.toy_project import CONFIG, deliver, start, toy_project

from automation.ids import bounced_message
from automation.inbound.mailbox import MailCounts, read_mailbox
from automation.store.people import consent
from automation.workspace.workspace import Workspace

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

KEY = Ed25519PrivateKey.generate()
BOUNCES = "bounces@news.toy.example"
CHANNEL = """
channels:
  email:
    using: smtp
    options:
      host: 127.0.0.1
      port: {port}
      tls: none
      local_hostname: toy.example
      return_path: bounces+{{token}}@news.toy.example
      dkim: [{{domain: toy.example, selector: s1, key_file: dkim.pem}}]
mailbox: {{maildir: {maildir}}}
"""


def project(folder: Path, server: Postfix) -> Workspace:
    private = KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "dkim.pem").write_bytes(private)
    channel = CHANNEL.format(port=server.port, maildir=server.maildir(BOUNCES))
    return toy_project(folder, config=re.sub(r"channels:\n.*\n", channel, CONFIG, count=1))


def dns(name: bytes, timeout: int = 5) -> bytes:
    """The shop's public key."""
    raw = KEY.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw)


def people(toy: Workspace) -> dict[str, tuple[str, str]]:
    """Address → message and state."""
    with toy.store.reading() as connection:
        query = "SELECT address, id, state FROM message JOIN message_status ON message_id = id"
        rows = connection.exec_driver_sql(query).all()
    return {address: (message, state) for address, message, state in rows}


def suppressed(toy: Workspace, *addresses: str) -> dict[str, str]:
    with toy.store.reading() as connection:
        return {a: found.reason for a, found in consent.suppressed(connection, addresses, "email").items()}


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Whom the toy campaign writes to."""
    with toy_project(tmp_path_factory.mktemp("plan")) as toy:
        start(toy)
        return sorted(people(toy))


@pytest.fixture
def sent(tmp_path: Path, addresses: list[str]) -> Iterator[tuple[Workspace, Postfix]]:
    """Everybody but the first has a mailbox; the server takes mail for her all the same."""
    with postfix([*addresses[1:], BOUNCES]) as server, project(tmp_path, server) as toy:
        start(toy)
        assert deliver(toy).sent == len(addresses)
        yield toy, server


@pytest.mark.slow
def test_mail_arrives_and_an_unknown_user_comes_back(sent: tuple[Workspace, Postfix], addresses: list[str]) -> None:
    toy, server = sent
    messages = people(toy)
    for address in addresses[1:]:
        (path,) = server.wait_for_mail(address)
        arrived = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert str(arrived["message-id"]).startswith(f"<{messages[address][0]}@")
        assert str(arrived["to"]) == address
        assert str(arrived["list-id"]) == "<promotions.toy.example>"
        assert str(arrived["feedback-id"]) == "toy:1:promotions:toy.example"
        assert dkim.verify(path.read_bytes(), dnsfunc=dns)
    (report,) = server.wait_for_mail(BOUNCES)
    dsn = email.message_from_bytes(report.read_bytes(), policy=email.policy.default)
    assert dsn.get_content_type() == "multipart/report"
    token = str(dsn["to"]).partition("+")[2].partition("@")[0]
    assert bounced_message(toy.store.secret, token) == messages[addresses[0]][0]

    assert read_mailbox(toy) == MailCounts(mails=1, dead_addresses=1)
    assert suppressed(toy, *addresses) == {addresses[0]: "hard_bounce"}


@pytest.mark.slow
def test_an_unknown_user_refused_at_once_is_suppressed_at_once(tmp_path: Path, addresses: list[str]) -> None:
    with postfix([*addresses[1:], BOUNCES], reject_early=True) as server, project(tmp_path, server) as toy:
        start(toy)
        assert deliver(toy).sent == len(addresses) - 1
        assert people(toy)[addresses[0]][1] == "failed"
        assert suppressed(toy, *addresses) == {addresses[0]: "hard_bounce"}
