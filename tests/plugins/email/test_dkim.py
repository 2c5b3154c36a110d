"""Signatures, checked by dkimpy, which asks a function of ours instead of DNS."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from automation.testing.channel import example_messages, record_delivery
from automation.types.message import Rendered, Verdict
from automation.types.secret import Secret
from automation_email.dkim import KeyProblem, Signer, load_signer, relaxed_body, relaxed_header
from automation_email.mime import build
from automation_email.options import DkimKey, SmtpOptions
from automation_email.smtp import SmtpChannel

UNSUBSCRIBE = {
    "List-Unsubscribe": "<https://lindholm.example/u/1>, <mailto:hello@lindholm.example?subject=unsubscribe%201>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}
MESSAGE = replace(example_messages("ana@example.org", 1)[0], headers=UNSUBSCRIBE, reply_to="shop@lindholm.example")
Private = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()


def pem(private: Private) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def signer(private: Private, selector: str) -> Signer:
    return load_signer(DkimKey(domain="lindholm.example", selector=selector, key=Secret(pem(private))))


SIGNERS = (signer(RSA, "r2026"), signer(ED25519, "e2026"))


def dns(name: bytes, timeout: int = 5) -> bytes | None:
    """The two records that a shop would publish."""
    der = RSA.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    raw = ED25519.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {
        b"r2026._domainkey.lindholm.example.": b"v=DKIM1; k=rsa; p=" + base64.b64encode(der),
        b"e2026._domainkey.lindholm.example.": b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw),
    }.get(name)


def verified(data: bytes) -> list[bool]:
    """Whether each signature holds, over the message as it is on the wire: ending with a line end."""
    data = data if data.endswith(b"\r\n") else data + b"\r\n"
    count = data.split(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    return [_holds(data, number) for number in range(count)]


def _holds(data: bytes, number: int) -> bool:
    try:
        return bool(dkim.DKIM(data).verify(idx=number, dnsfunc=dns))
    except dkim.ValidationError:
        return False


def test_both_signatures_hold() -> None:
    data = build(MESSAGE, SIGNERS)
    assert verified(data) == [True, True]
    assert build(MESSAGE, SIGNERS) == data
    unsigned = build(MESSAGE)
    assert data.endswith(unsigned)


def test_what_is_signed() -> None:
    header = build(MESSAGE, SIGNERS[1:]).decode().split("\r\nFrom:")[0]
    fields = dict(field.strip().split("=", 1) for field in header.partition(":")[2].split(";"))
    assert {name: fields[name] for name in "acds"} == {
        "a": "ed25519-sha256", "c": "relaxed/relaxed", "d": "lindholm.example", "s": "e2026",
    }  # fmt: skip
    assert fields["t"] == str(int(MESSAGE.sent_at.timestamp()))
    assert fields["h"].replace("\r\n ", "").split(":") == [
        "from", "to", "reply-to", "subject", "date", "message-id", "list-unsubscribe", "list-unsubscribe-post",
        "mime-version", "content-type", "from", "to", "cc", "subject", "date", "reply-to", "list-unsubscribe",
        "list-unsubscribe-post", "mime-version", "content-type", "content-transfer-encoding",
    ]  # fmt: skip
    assert max(map(len, header.split("\r\n"))) <= 78


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"Hello number", b"Hallo number"),
        lambda data: data.replace(b"Subject: ", b"Subject: Re: "),
        lambda data: data.replace(b"/u/1>", b"/u/2>"),
        lambda data: data.replace(b"One-Click", b"Two-Click"),
        lambda data: data.replace(b"\r\nFrom:", b"\r\nFrom: evil@example.org\r\nFrom:"),
        lambda data: data.replace(b"multipart/alternative", b"multipart/mixed"),
    ],
)
def test_a_change_on_the_way_is_seen(change: Callable[[bytes], bytes]) -> None:
    data = build(MESSAGE, SIGNERS)
    changed = change(data)
    assert changed != data
    assert verified(changed) == [False, False]


@pytest.mark.parametrize("reply_to", ["shop@lindholm.example", ""])
@pytest.mark.parametrize(
    "added",
    ["From: a@evil.example", "To: b@c.example", "Cc: b@c.example", "Subject: Pay here", "Reply-To: a@evil.example",
     "Date: Mon, 01 Jan 2024 00:00:00 +0000", "List-Unsubscribe: <https://evil.example>",
     "List-Unsubscribe-Post: List-Unsubscribe=One-Click", "Content-Type: text/html", "MIME-Version: 1.0",
     "Content-Transfer-Encoding: base64"],
)  # fmt: skip
def test_no_header_can_be_added(added: str, reply_to: str) -> None:
    """Also one that the message did not have; wherever it is added, since readers differ in which one they show."""
    data = build(replace(MESSAGE, reply_to=reply_to), SIGNERS)
    first = data.index(b"\r\nFrom:")
    end = data.index(b"\r\n\r\n")
    for place in (first, end):
        assert verified(data[:place] + b"\r\n" + added.encode() + data[place:]) == [False, False]


def test_blanks_and_case_may_change_on_the_way() -> None:
    data = build(MESSAGE, SIGNERS)
    relayed = (
        data.replace(b"\r\nList-Unsubscribe: ", b"\r\nlist-unsubscribe:\r\n\t ").replace(b"</p>", b"</p> \t") + b"\r\n"
    )
    assert relayed != data
    assert verified(relayed) == [True, True]


BLANKS = st.lists(st.sampled_from(["a", " ", "\t", "\n", ".", "é", "  \n", "\n\n", "🎁", "=", "From "]), max_size=40)


@settings(max_examples=60, deadline=None)
@given(text=BLANKS.map("".join), html=BLANKS.map("".join), subject=st.text("ab é  🎁?=_", max_size=80))
def test_any_content_is_signed_well(text: str, html: str, subject: str) -> None:
    message: Rendered = replace(MESSAGE, text=text, html=html, subject=subject)
    assert verified(build(message, SIGNERS[1:])) == [True]


@settings(max_examples=300, deadline=None)
@given(BLANKS.map("".join))
def test_relaxed_as_dkimpy_does(text: str) -> None:
    body = f"{text}\n".replace("\n", "\r\n").encode()
    assert relaxed_body(body) == Relaxed.canonicalize_body(body)
    value = text.replace("\n", "").encode()
    expected = Relaxed.canonicalize_headers([[b"X-Name", b" " + value + b"\r\n"]])
    assert relaxed_header(f"X-Name: {value.decode()}").encode() + b"\r\n" == b":".join(expected[0])


def test_a_key_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "dkim.pem").write_text(pem(RSA))
    key = DkimKey(domain="Lindholm.example", selector="r2026", key_file=Path("dkim.pem"))
    assert load_signer(key, tmp_path).domain == "lindholm.example"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "can't be read: No such file or directory"),
        ("hello", "is not a private key in PEM without a password"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "is neither RSA of at least 1024 bits nor ed25519"),
    ],
)
def test_keys_that_are_none(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / "dkim.pem").write_text(text)
    with pytest.raises(KeyProblem) as problem:
        load_signer(DkimKey(domain="lindholm.example", selector="r2026", key_file=tmp_path / "dkim.pem"))
    assert str(problem.value) == f"the DKIM key of r2026._domainkey.lindholm.example {why}"


@pytest.mark.parametrize(
    "options",
    [
        {"domain": "lindholm.example", "selector": "a"},
        {"domain": "lindholm.example", "selector": "a", "key": "x", "key_file": "y"},
        {"domain": "lindholm.example; h=from", "selector": "a", "key": "x"},
        {"domain": "lindholm.example", "selector": "a\r\nb", "key": "x"},
    ],
)
def test_options_that_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"write key_file or key|not a DNS name"):
        DkimKey.model_validate(options)


def test_a_message_waits_for_a_key_that_is_missing() -> None:
    key = DkimKey(domain="lindholm.example", selector="r2026", key_file=Path("/nowhere/dkim.pem"))
    channel = SmtpChannel(SmtpOptions(host="127.0.0.1", port=9, tls="none", dkim=(key,)))
    answers, handed_over = asyncio.run(record_delivery(channel, [MESSAGE]))
    assert handed_over == []
    assert answers[0].verdict is Verdict.RETURNED
    assert answers[0].detail == (
        "the DKIM key of r2026._domainkey.lindholm.example can't be read: No such file or directory"
    )
