"""What is assembled by hand must be read alike by the standard library, and never hold more headers than it should."""

from __future__ import annotations

import email
import email.policy
import email.utils
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage, Message

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automation.testing.channel import example_messages
from automation.types.message import Attachment, Rendered
from automation_email.address import Address, MimeError, read_address
from automation_email.mime import build, date_header

MESSAGE = example_messages("ana@example.org", 1)[0]
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
ANY = st.text(st.characters(codec="utf-8"), max_size=200)
HEADER = ANY.map(lambda text: CONTROL.sub("", text))
NAMES = HEADER.map(lambda text: " ".join(text.split())[:200]).filter(bool)
SUBJECTS = HEADER.map(lambda text: " ".join(text.split()))
LINES = st.lists(
    st.one_of(
        ANY,
        st.sampled_from(
            [".", "..", "", "From me", " ", "trailing ", "=", "=20", "--=_x", "\r", "\n", "\r\n", "äöü 🎁"]
        ),
        st.text("ab .=", min_size=900, max_size=1200),
    ),
    max_size=8,
).map("\n".join)


def parsed(message: Rendered) -> EmailMessage:
    return email.message_from_bytes(build(message), policy=email.policy.default)


def lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


@settings(max_examples=100, deadline=None)
@given(subject=HEADER, text=LINES, html=LINES, name=HEADER)
def test_parse_equal(subject: str, text: str, html: str, name: str) -> None:
    name = name.replace("<", "").replace(">", "").strip().strip('"').replace("\\", "")
    message = replace(MESSAGE, subject=subject, text=text, html=html, sender=f"{name} <hello@lindholm.example>")
    data = build(message)
    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert b"\r" not in data.replace(b"\r\n", b"")
    found = parsed(message)
    assert [part.defects for part in found.walk()] == [[] for _ in found.walk()]
    assert found["subject"] == subject
    bodies = [part for part in found.walk() if part.get_content_maintype() == "text"]
    contents = [part.get_payload(decode=True).decode() for part in bodies]  # type: ignore[union-attr]
    assert [lines(one) for one in contents] == [lines(text)] + ([lines(html)] if html else [])


def by_the_standard_library(message: Rendered) -> EmailMessage:
    """The same message, assembled by `email.message` and read back."""
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"], made["To"], made["Subject"] = message.sender, message.to, message.subject
    made["Date"], made["Message-ID"] = message.sent_at, f"<{message.id}@lindholm.example>"
    for name, value in message.headers.items():
        made[name] = value
    made.set_content(lines(message.text) or "\n")
    if message.html:
        made.add_alternative(lines(message.html), subtype="html")
    for one in message.attachments:
        main, _, sub = one.media_type.partition("/")
        made.add_attachment(one.content, main, sub, filename=one.name)
    return email.message_from_bytes(made.as_bytes(), policy=email.policy.default)


def shape(found: EmailMessage) -> list[tuple[str, str | None, bytes]]:
    """Each part's kind, file name and content; a last line end is the standard library's own."""
    return [
        (
            part.get_content_type(),
            part.get_filename(),
            b"" if part.is_multipart() else _content(part).rstrip(b"\n"),
        )
        for part in found.walk()
    ]


def _content(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.replace(b"\r\n", b"\n") if part.get_content_maintype() == "text" else content


ATTACHMENTS = st.lists(
    st.builds(
        Attachment,
        name=st.one_of(NAMES, st.sampled_from(["a.pdf", "Grüße aus Malmö.pdf", 'say "hi".txt', "🎁" * 30, "x" * 199])),
        media_type=st.sampled_from(["application/pdf", "image/png", "application/octet-stream"]),
        content=st.binary(max_size=300),
    ),
    max_size=3,
).map(tuple)


@settings(max_examples=80, deadline=None)
@given(subject=SUBJECTS, text=LINES, html=LINES, attachments=ATTACHMENTS)
def test_the_standard_library_makes_the_same_of_it(
    subject: str, text: str, html: str, attachments: tuple[Attachment, ...]
) -> None:
    message = replace(MESSAGE, subject=subject, text=text, html=html, attachments=attachments)
    ours, theirs = parsed(message), by_the_standard_library(message)
    assert shape(ours) == shape(theirs)
    for name in ("From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe"):
        assert str(ours[name]) == str(theirs[name]), name


@pytest.mark.parametrize(
    ("one", "what"),
    [
        (Attachment("a\r\nX: y", "application/pdf", b""), "a control character in an attachment's name"),
        (Attachment("", "application/pdf", b""), "an attachment's name has 1 to 200 characters"),
        (Attachment("a", "text/html\r\nX: y", b""), "an attachment of the type 'text/html\\r\\nx: y' can't be sent"),
        (Attachment("a", "message/rfc822", b""), "an attachment of the type 'message/rfc822' can't be sent"),
        (Attachment("a", "text", b""), "an attachment of the type 'text' can't be sent"),
    ],
)
def test_attachments_that_are_refused(one: Attachment, what: str) -> None:
    with pytest.raises(MimeError) as refusal:
        build(replace(MESSAGE, attachments=(one,)))
    assert str(refusal.value) == what


def test_the_whole_of_a_small_message() -> None:
    message = Rendered(
        id="00ff",
        attempt=2,
        channel="email",
        to="Ana <ana@bücher.example>",
        sent_at=datetime(2026, 3, 2, 10, 30, tzinfo=timezone(timedelta(hours=1))),
        subject="Grüße",
        text="Hallo\n.\n",
        html="<p>Schöne Grüße</p>",
        sender="Lindholm & Daughters <hello@lindholm.example>",
        reply_to="shop@lindholm.example",
        headers={
            "List-Unsubscribe": "<https://lindholm.example/u/1>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )
    assert build(message).decode().split("\r\n") == [
        'From: "Lindholm & Daughters" <hello@lindholm.example>',
        'To: "Ana" <ana@xn--bcher-kva.example>',
        "Reply-To: shop@lindholm.example",
        "Subject: =?utf-8?b?R3LDvMOfZQ==?=",
        "Date: Mon, 02 Mar 2026 09:30:00 +0000",
        "Message-ID: <00ff@lindholm.example>",
        "List-Unsubscribe: <https://lindholm.example/u/1>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "MIME-Version: 1.0",
        'Content-Type: multipart/alternative; boundary="=_7dd7aae27979c08928903f7b"',
        "",
        "--=_7dd7aae27979c08928903f7b",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: 7bit",
        "",
        "Hallo",
        ".",
        "",
        "--=_7dd7aae27979c08928903f7b",
        'Content-Type: text/html; charset="utf-8"',
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "<p>Sch=C3=B6ne Gr=C3=BC=C3=9Fe</p>",
        "--=_7dd7aae27979c08928903f7b--",
        "",
    ]
    assert build(message) == build(message)
    assert build(replace(message, attempt=3)) == build(message)


def test_a_text_that_holds_the_boundary() -> None:
    boundary = re.search(rb'boundary="([^"]+)"', build(MESSAGE))
    assert boundary
    message = replace(MESSAGE, text=f"--{boundary[1].decode()}--\nstill here")
    body = parsed(message).get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines()[1] == "still here"


def test_text_alone_is_one_part() -> None:
    assert parsed(replace(MESSAGE, html="")).get_content_type() == "text/plain"


def test_scripts_without_latin_letters_travel_as_base64() -> None:
    found = parsed(replace(MESSAGE, text="Добрый день, " * 40, html=""))
    assert found["content-transfer-encoding"] == "base64"
    assert found.get_content() == "Добрый день, " * 40


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"to": "a\r\nRSET\r\n@example.org"}, "a control character in the address"),
        ({"to": "ana@example.org\n"}, "a control character in the address"),
        ({"to": "ana"}, "bad address: not of the form name@domain"),
        ({"to": "a b@example.org"}, "bad address: not of the form name@domain"),
        ({"to": "ana@example.org, bo@example.org"}, "bad address: not of the form name@domain"),
        ({"to": '"ana\\"@example.org'}, "bad address: not of the form name@domain"),
        ({"to": "ana@"}, "bad address: its domain is not valid"),
        ({"to": "ana@exa mple.org"}, "bad address: its domain is not valid"),
        ({"to": "ana@-example.org"}, "bad address: its domain is not valid"),
        ({"to": "ana@127.0.0.1"}, "bad address: its domain is not valid"),
        ({"to": "ana@intranet"}, "bad address: its domain is not valid"),
        ({"to": f"{'a' * 65}@example.org"}, "bad address: not of the form name@domain"),
        ({"subject": "Hi\r\nBcc: bo@example.org"}, "a control character in the header Subject"),
        ({"subject": "Hi\u2028there"}, "a control character in the header Subject"),
        ({"headers": {"X-A": "1\nBcc: bo@example.org"}}, "a control character in the header X-A"),
        ({"headers": {"X-A: 1\r\nBcc": "bo"}}, "the header 'X-A: 1\\r\\nBcc' can't be set"),
        ({"headers": {"bcc": "bo@example.org"}}, "the header 'bcc' can't be set"),
        ({"headers": {"Content-Type": "text/html"}}, "the header 'Content-Type' can't be set"),
        ({"headers": {"X-A": "x" * 901}}, "the header X-A is too long"),
        ({"reply_to": "x\r\n@y.example"}, "a control character in the address"),
        ({"id": "../../etc/passwd"}, "the message's id is not plain text"),
        ({"text": "half \ud83c"}, "the text holds a lone surrogate"),
    ],
)
def test_what_is_refused(change: dict[str, object], what: str) -> None:
    with pytest.raises(MimeError) as refusal:
        build(replace(MESSAGE, **change))  # type: ignore[arg-type]
    assert str(refusal.value) == what


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ana@example.org", Address("ana", "example.org")),
        (" Ana Lind <ana+x@Example.ORG> ", Address("ana+x", "example.org", "Ana Lind")),
        ('"Lind, Ana \\"A\\"" <ana@example.org>', Address("ana", "example.org", 'Lind, Ana "A"')),
        ("o'hara@example.org", Address("o'hara", "example.org")),
        ("ana@faß.example", Address("ana", "xn--fa-hia.example")),
        ("ana@BÜCHER.example", Address("ana", "xn--bcher-kva.example")),
        ("añá@example.org", Address("añá", "example.org")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert read_address(text) == address


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = read_address(text)
    except MimeError:
        return
    assert not CONTROL.search(str(address))
    assert str(address).count("@") == 1
    assert not set(' ,;<>"()[]\\:') & set(str(address))


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds
def test_dates(at: datetime) -> None:
    assert email.utils.parsedate_to_datetime(date_header(at)) == at.replace(microsecond=0)
