"""Whatever the data holds: one sender, one recipient, one message and only our headers go over the wire.

aiosmtplib rewrites a bad address to another one without a word, so nothing of an address may be left to it.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.smtp import scripted_server

from automation.testing.channel import example_messages, record_delivery
from automation.types.message import Attachment, Receipt, Rendered, Verdict
from automation_email.options import SmtpOptions
from automation_email.smtp import SmtpChannel

MESSAGE = replace(example_messages("ana@example.org", 1)[0], reply_to="shop@lindholm.example", bounce_token="0a.1b")
PIECES = st.sampled_from([
    "\r\n", "\n", "\r", "\0", "\x85", "\u2028", "\t", " ", ".", "\r\n.\r\n", "\n.\n", "\r\n\r\n", "\x7f",
    "\ud83c", "é", "🎁", "a", "b+c", "\r\nRCPT TO:<victim@example.org>\r\n", "\r\nBcc: victim@example.org\r\n",
    "victim@example.org", "Bcc", "--=_", "=?utf-8?q?=0D=0ABcc:_victim=40example.org?=", ":", "<", ">", "@", ",", ";",
    '"', "\\", "(", ")", "[", "]", "%",
])  # fmt: skip
HOSTILE = st.one_of(st.text(max_size=20), st.lists(PIECES, max_size=6).map("".join))
AROUND = st.tuples(
    st.sampled_from(["", "ana", "ana@example.org", "Ana <"]), HOSTILE, st.sampled_from(["", "@example.org", ">"])
)
ADDRESSES = AROUND.map("".join)
ALLOWED = {
    "from", "to", "reply-to", "subject", "date", "message-id", "mime-version", "content-type",
    "content-transfer-encoding",
}  # fmt: skip
ADDRESS_FAULTS = "bad address: not of the form name@domain; bad address: its domain is not valid"
"""What is said of any address; parts of it are no sign that the address is repeated."""

STRATEGIES = {
    "to": ADDRESSES,
    "sender": ADDRESSES,
    "reply_to": ADDRESSES,
    "id": st.one_of(HOSTILE, HOSTILE.map(lambda text: f"00ff{text}")),
    "bounce_token": HOSTILE,
    "subject": HOSTILE,
    "text": HOSTILE,
    "html": HOSTILE,
    "preheader": HOSTILE,
    "language": HOSTILE,
    "headers": st.dictionaries(st.one_of(HOSTILE, st.just("X-A")), HOSTILE, max_size=2),
    "attachments": st.lists(
        st.builds(
            Attachment, name=HOSTILE, media_type=st.one_of(HOSTILE, st.just("a/b")), content=st.binary(max_size=9)
        ),
        max_size=2,
    ).map(tuple),
}


@pytest.fixture(scope="module")
def seen() -> Iterator[tuple[int, list[bytes]]]:
    """A server that takes everything; its port, and every line that it was told."""
    lines: list[bytes] = []
    with scripted_server({"EHLO": b"250-hi\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 PIPELINING\r\n"}, lines) as port:
        yield port, lines


def deliver(port: int, message: Rendered) -> Receipt:
    async def run() -> Receipt:
        options = {"host": "127.0.0.1", "port": port, "tls": "none", "timeout": 5, "response_timeout": 5}
        path = {"local_hostname": "shop.example", "return_path": "b+{token}@shop.example"}
        channel = SmtpChannel(SmtpOptions.model_validate(options | path))
        (receipt,), _ = await record_delivery(channel, [message])
        await channel.close()
        return receipt

    return asyncio.run(run())


@pytest.mark.parametrize("field", sorted(STRATEGIES))
def test_one_hostile_field(field: str, seen: tuple[int, list[bytes]]) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STRATEGIES[field])
    def holds(value: object) -> None:
        check(seen, replace(MESSAGE, **{field: value}))  # type: ignore[arg-type]

    holds()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.fixed_dictionaries({}, optional=STRATEGIES))
def test_all_fields_at_once(seen: tuple[int, list[bytes]], values: dict[str, object]) -> None:
    check(seen, replace(MESSAGE, **values))  # type: ignore[arg-type]


def test_no_field_is_left_out() -> None:
    """`channel` is a name from the configuration, `attempt` a number and `sent_at` an instant."""
    assert {field.name for field in fields(Rendered)} - set(STRATEGIES) == {"channel", "attempt", "sent_at"}


def check(seen: tuple[int, list[bytes]], message: Rendered) -> None:
    port, lines = seen
    lines.clear()
    receipt = deliver(port, message)
    if message.to not in ADDRESS_FAULTS:
        assert message.to not in receipt.detail
    assert receipt.detail.isprintable()
    told = b"".join(lines)
    assert told.count(b"\n") == told.count(b"\r\n") == told.count(b"\r"), "a line end of another kind"
    if receipt.verdict is Verdict.FAILED:
        assert b"MAIL" not in told
        return
    assert receipt.verdict is Verdict.SENT
    _, mail, rcpt, data, *rest = lines
    assert re.fullmatch(rb"MAIL FROM:<[^<>\s]+@[^<>\s]+>( BODY=8BITMIME SMTPUTF8)?\r\n", mail)
    assert re.fullmatch(rb"RCPT TO:<[^<>\s]+@[a-z0-9.-]+>\r\n", rcpt)
    assert data == b"DATA\r\n"
    assert [line for line in rest if line == b".\r\n"] == [b".\r\n"]
    end = rest.index(b".\r\n")
    assert rest[end + 1 :] == [b"QUIT\r\n"]
    check_headers(b"".join(rest[:end]), message, rcpt[9:-3].decode())


def check_headers(data: bytes, message: Rendered, recipient: str) -> None:
    found = email.message_from_bytes(data, policy=email.policy.compat32)
    names = [name.lower() for name in found.keys()]  # noqa: SIM118 - a message iterates over nothing
    assert len(names) == len(set(names))
    assert set(names) <= ALLOWED | {name.lower() for name in message.headers}
    assert "bcc" not in names
    parsed = email.message_from_bytes(data, policy=email.policy.SMTPUTF8)
    to = [address.addr_spec.encode("utf-8", "surrogateescape").decode() for address in parsed["to"].addresses]
    assert to == [recipient]
    assert len(parsed["from"].addresses) == 1
