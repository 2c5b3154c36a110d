"""What mail that came back says, after the examples of RFC 3464 and RFC 5965, and what hostile mail must not do."""

from __future__ import annotations

import random
from contextlib import suppress
from email.message import EmailMessage, MIMEPart
from typing import get_args

import pytest

from automation.inbound.returned_mail import MAX_SIZE, Kind, ReturnedMail, parse_mail

ID = "0123456789abcdef0123456789abcdef"
TOKEN = f"{ID}.fedcba9876543210fedcba9876543210"
_RETURNED_HEADERS = (
    f"From: Toy <hi@toy.example>\nMessage-ID:\n <{ID}@toy.example>\nCFBL-Feedback-ID:\n {TOKEN}\nSubject: Hello\n"
)
ANA = ("ana@example.org",)
BOUNCES = f"bounces+{TOKEN}@toy.example"


def dsn(status: str = "5.1.1", action: str = "failed", *, to: str = BOUNCES, extra: str = "") -> bytes:
    """As an MTA writes it: words for people, fields for programs, the returned headers."""
    return f"""From: MAILER-DAEMON@mx.example
To: {to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I'm sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ana@example.org
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} no such user
{extra}
--b
Content-Type: text/rfc822-headers

{_RETURNED_HEADERS}
--b--
""".encode()


def arf(kind: str = "abuse") -> bytes:
    return f"""From: fbl@provider.example
To: abuse@toy.example
Subject: FW: Hello
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an abuse report.
--b
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <hi@toy.example>

--b
Content-Type: message/rfc822

{_RETURNED_HEADERS}
Hello there
--b--
""".encode()


@pytest.mark.parametrize(
    ("status", "action", "expected", "kind"),
    [
        ("5.1.1", "failed", "5.1.1", "dead_address"),
        ("5.1.8", "failed", "5.1.8", "refused"),  # our own address is wrong
        ("5.0.0", "failed", "5.0.0", "refused"),  # no reason
        ("5.4.4", "failed", "5.4.4", "refused"),  # no route
        ("5.2.2", "failed", "5.2.2", "refused"),  # the mailbox is full
        ("5.2.3", "failed", "5.2.3", "refused"),  # the message is too long
        ("5.3.4", "failed", "5.3.4", "refused"),
        ("5.6.1", "failed", "5.6.1", "refused"),
        ("5.7.1", "failed", "5.7.1", "refused"),  # a policy
        ("4.4.7", "failed", "4.4.7", "refused"),  # given up after days: the address may still work
        ("4.4.1", "delayed", "4.4.1", "delayed"),
        ("5.1.1", "delayed", "4.0.0", "delayed"),  # contradicts itself, so it is not final
        ("5.1.1 (no such user)", "FAILED", "5.1.1", "dead_address"),
        ("", "failed", "5.0.0", "refused"),
        ("rubbish", "delayed", "4.0.0", "delayed"),
    ],
)
def test_a_bounce(status: str, action: str, expected: str, kind: Kind) -> None:
    assert parse_mail(dsn(status, action)) == ReturnedMail(kind, expected, (TOKEN,), ANA)


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_a_report_of_success_is_no_bounce(action: str) -> None:
    assert parse_mail(dsn("2.0.0", action)) is None


def test_the_worst_of_several_recipients_counts() -> None:
    second = "\nFinal-Recipient: rfc822; ben@example.org\nAction: failed\nStatus: 5.1.1\n"
    found = parse_mail(dsn("4.4.1", "delayed", extra=second))
    assert found == ReturnedMail("dead_address", "5.1.1", (TOKEN,), ("ben@example.org",))


def test_the_token_of_the_return_path() -> None:
    for to, tokens in ((f"<{BOUNCES.upper()}>", (TOKEN,)), ("bounces@toy.example", ()), (f"x+{ID}@toy.example", ())):
        found = parse_mail(dsn(to=to))
        assert found is not None
        assert found.tokens == tokens


def test_the_original_recipient_is_the_one_that_we_wrote_to() -> None:
    found = parse_mail(
        dsn().replace(b"Final-Recipient", b"Original-Recipient: rfc822;<o@example.org>\nFinal-Recipient")
    )
    assert found is not None
    assert found.recipients == ("o@example.org",)


def test_what_the_standard_library_writes_is_read() -> None:
    mail = EmailMessage()
    mail["Subject"] = "Undelivered"
    mail["Delivered-To"] = f"bounces+{TOKEN[:49]}@toy.example"
    mail.set_content("sorry")
    mail.make_mixed()
    original = EmailMessage()
    original["Message-ID"] = f"<{ID}@toy.example>"
    original.set_content("Hello")
    mail.add_attachment(original)
    status = EmailMessage()
    status["Content-Type"] = "message/delivery-status"
    status.set_payload([MIMEPart(), _block("Action: failed\nStatus: 5.1.10\nFinal-Recipient: rfc822; ana@example.org")])
    mail.attach(status)
    mail.replace_header("Content-Type", 'multipart/report; report-type="delivery-status"')
    assert parse_mail(mail.as_bytes()) == ReturnedMail("dead_address", "5.1.10", (TOKEN[:49],), ANA)


def _block(fields: str) -> MIMEPart:
    block = MIMEPart()
    for line in fields.splitlines():
        name, _, value = line.partition(": ")
        block[name] = value
    return block


def test_a_complaint() -> None:
    assert parse_mail(arf()) == ReturnedMail("complaint", "abuse", (TOKEN,))
    assert parse_mail(arf("fraud")) == ReturnedMail("complaint", "fraud", (TOKEN,))
    assert parse_mail(arf("not-spam")) is None


@pytest.mark.parametrize("subject", [f"unsubscribe {TOKEN}", f"  Unsubscribe   {TOKEN}  "])
def test_unsubscribing_by_mail(subject: str) -> None:
    assert parse_mail(f"From: ana@example.org\nSubject: {subject}\n\n".encode()) == ReturnedMail(
        "unsubscribed", tokens=(TOKEN,)
    )


@pytest.mark.parametrize(
    "subject", ["unsubscribe", "unsubscribe me", f"Re: unsubscribe {TOKEN}", f"unsubscribe {TOKEN} {TOKEN}", "Hello"]
)
def test_other_mail_is_not_a_report(subject: str) -> None:
    assert parse_mail(f"From: ana@example.org\nSubject: {subject}\n\nunsubscribe {TOKEN}\n".encode()) is None


def test_an_out_of_office_reply_is_not_a_report() -> None:
    note = (
        f"From: a@example.org\nAuto-Submitted: auto-replied\nSubject: Away\nIn-Reply-To: <{ID}@toy.example>\n\nAway\n"
    )
    assert parse_mail(note.encode()) is None


def test_a_complaint_s_token_stands_in_the_report_or_in_the_returned_message() -> None:
    plain = arf().replace(f"CFBL-Feedback-ID:\n {TOKEN}\n".encode(), b"")
    assert parse_mail(plain) == ReturnedMail("complaint", "abuse")
    path = f"Return-Path: <{BOUNCES}>\n".encode()
    fields = (f"Original-Mail-From: <{BOUNCES}>\n", f"CFBL-Feedback-ID: {TOKEN}\n")
    mails = [plain.replace(b"From: Toy", path + b"From: Toy")]
    mails += [plain.replace(b"Original-Mail-From: <hi@toy.example>\n", field.encode()) for field in fields]
    assert [parse_mail(mail) for mail in mails] == [ReturnedMail("complaint", "abuse", (TOKEN,))] * 3
    named = plain.replace(b"User-Agent", b"Original-Rcpt-To: <ana@example.org>\nUser-Agent")
    assert parse_mail(named) == ReturnedMail("complaint", "abuse", recipients=ANA)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"x" * (MAX_SIZE + 1), "it is larger than 2048 KB"),
        (b"Content-Type: multipart/report; boundary=b\n\n" + b"--b\n\nx\n" * 300 + b"--b--\n", "ValueError"),
        (b"X: y\n" * 4_000 + b"\n\nHello\n", "its headers are longer than 16 KB"),
        (b"Content-Type: multipart/report;" + b";" * 2_000_000, "its headers are longer than 16 KB"),
        (b"Content-Type: message/rfc822\n\n" * 40, "parts within parts more than 30 times"),
    ],
)
def test_what_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_mail(data)


def test_deep_nesting_is_refused_before_it_is_parsed() -> None:
    data = b"".join(b"Content-Type: multipart/report; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(5_000))
    with pytest.raises(ValueError, match="parts within parts more than 30 times"):
        parse_mail(data)


def test_damaged_mail_never_breaks() -> None:
    """Every answer is a report, nothing, or `ValueError`: 2,000 damaged mails, always the same."""
    draw = random.Random(1)  # damage, not a secret
    for number in range(2_000):
        data = bytearray(dsn() if number % 2 else arf())
        for _ in range(draw.randint(1, 30)):
            place = draw.randrange(len(data))
            data[place : place + draw.randint(0, 4)] = bytes(draw.choices(range(256), k=draw.randint(0, 6)))
        with suppress(ValueError):
            found = parse_mail(bytes(data))
            assert found is None or found.kind in get_args(Kind)
