"""Every verdict, from a real server."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.certificates import certificate, server_tls
from support.smtp import Mailbox, accepts, scripted_server, smtp_server

from automation.testing.channel import check_channel, collect_receipts, example_messages
from automation.types.message import Attachment, Receipt, Rendered, Verdict
from automation.types.secret import Secret
from automation_email.login import LoggedIn, log_in
from automation_email.options import SmtpOptions
from automation_email.smtp import SmtpChannel

MESSAGES = example_messages("ana@example.org")


def channel(port: int, **options: Any) -> SmtpChannel:
    given = {"host": "127.0.0.1", "tls": "none", "timeout": 5, "response_timeout": 5, "local_hostname": "shop.example"}
    return SmtpChannel(SmtpOptions(port=port, **given | options))


def deliver(port: int, messages: list[Rendered] = MESSAGES, **options: Any) -> list[Receipt]:
    async def run() -> list[Receipt]:
        smtp = channel(port, **options)
        answers = await collect_receipts(smtp, messages)
        await smtp.close()
        return sorted(answers, key=lambda answer: answer.id)

    return asyncio.run(run())


def verdicts(answers: list[Receipt]) -> list[Verdict]:
    return [answer.verdict for answer in answers]


def test_contract() -> None:
    with smtp_server(Mailbox()) as port:
        check_channel(lambda: channel(port))


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
def test_what_arrives(extensions: tuple[str, ...]) -> None:
    mailbox = Mailbox(extensions=extensions)
    with smtp_server(mailbox) as port:
        answers = deliver(port)
    assert verdicts(answers) == [Verdict.SENT] * 3
    assert {answer.provider_id for answer in answers} == {"00000001", "00000002", "00000003"}
    assert {taken.sender for taken in mailbox.messages} == {"hello@lindholm.example"}
    assert {taken.to for taken in mailbox.messages} == {("ana@example.org",)}
    parsed = [email.message_from_bytes(taken.data, policy=email.policy.default) for taken in mailbox.messages]
    assert sorted(str(one["message-id"]) for one in parsed) == [f"<{m.id}@lindholm.example>" for m in MESSAGES]
    text = parsed[0].get_body(("plain",))
    assert text is not None
    assert text.get_content().splitlines()[1] == "."  # dot-stuffed on the way, and taken off again


def test_connections_are_kept() -> None:
    mailbox = Mailbox()
    with smtp_server(mailbox) as port:

        async def run() -> None:
            smtp = channel(port, connections=2)
            for _ in range(3):
                assert len(await collect_receipts(smtp, MESSAGES)) == 3
            await smtp.close()

        asyncio.run(run())
    assert mailbox.connections == 2
    assert len(mailbox.messages) == 9


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
def test_a_connection_is_renewed_after_its_share(extensions: tuple[str, ...]) -> None:
    mailbox = Mailbox(extensions=extensions)
    with smtp_server(mailbox) as port:
        assert verdicts(deliver(port, connections=1, messages_per_connection=2)) == [Verdict.SENT] * 3
    assert mailbox.connections == 2


def test_a_connection_that_opens_while_the_channel_closes_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task may be over already when it is cancelled."""
    opened: list[asyncio.Transport] = []

    async def open_late(options: SmtpOptions) -> LoggedIn:
        found = await log_in(options)
        opened.append(found.transport)
        if len(opened) > 1:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
        return found

    monkeypatch.setattr("automation_email.smtp.log_in", open_late)
    mailbox = Mailbox()
    with smtp_server(mailbox) as port:

        async def run() -> None:
            smtp = channel(port, connections=3)
            await collect_receipts(smtp, MESSAGES)
            while len(opened) < 3:
                await asyncio.sleep(0.01)
            await smtp.close()

        asyncio.run(asyncio.wait_for(run(), 20))
    assert len(mailbox.messages) == 3
    assert [transport.is_closing() for transport in opened] == [True] * 3


def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    """Between two deliveries a server hangs up; nothing was handed over, so nobody notices."""
    with scripted_server({}) as port:

        async def run() -> list[Receipt]:
            smtp = channel(port, connections=1)
            await collect_receipts(smtp, MESSAGES)
            (session,) = smtp.pool()._idle
            session.transport.get_extra_info("socket").shutdown(2)
            answers = await collect_receipts(smtp, MESSAGES)
            await smtp.close()
            return answers

        assert verdicts(asyncio.run(run())) == [Verdict.SENT] * 3


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
def test_a_large_message_arrives_whole(extensions: tuple[str, ...]) -> None:
    content = bytes(range(256)) * 2_000
    large = replace(MESSAGES[1], attachments=(Attachment("catalogue.pdf", "application/pdf", content),))
    mailbox = Mailbox(extensions=extensions)
    with smtp_server(mailbox) as port:
        assert verdicts(deliver(port, [MESSAGES[0], large, MESSAGES[2]], connections=1)) == [Verdict.SENT] * 3
    (arrived,) = (one for one in mailbox.messages if len(one.data) > 10_000)
    found = email.message_from_bytes(arrived.data, policy=email.policy.default)
    (attachment,) = found.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content()) == ("catalogue.pdf", content)


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("reply", "verdict"), [("451 4.3.0 busy", Verdict.RETRY), ("550 5.1.1 no such user", Verdict.FAILED)]
)
def test_a_refusal_at_each_verb(verb: str, reply: str, verdict: Verdict, extensions: tuple[str, ...]) -> None:
    mailbox = Mailbox({verb: reply}, extensions=extensions)
    with smtp_server(mailbox) as port:
        answers = deliver(port, connections=1)
    assert verdicts(answers) == [verdict] * 3
    assert answers[0].detail == reply
    assert mailbox.messages == []
    assert mailbox.connections == 1  # a refusal does not cost the connection


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
def test_one_refused_recipient_does_not_touch_the_others(extensions: tuple[str, ...]) -> None:
    messages = [replace(one, to=f"{name}@example.org") for one, name in zip(MESSAGES, ("ana", "bo", "cy"), strict=True)]
    mailbox = Mailbox({"RCPT": lambda to: "550 5.1.1 unknown: " + to if to.startswith("bo") else None}, extensions)
    with smtp_server(mailbox) as port:
        answers = deliver(port, messages, connections=1)
    assert verdicts(answers) == [Verdict.SENT, Verdict.FAILED, Verdict.SENT]
    assert answers[1].detail == "550 5.1.1 unknown: <address>"
    assert sorted(taken.to[0] for taken in mailbox.messages) == ["ana@example.org", "cy@example.org"]


def test_354_although_the_recipient_was_refused() -> None:
    """With pipelining DATA is asked before the refusal is read; only a lone dot ends it (RFC 2920, 3.1)."""
    seen: list[bytes] = []
    script = {"EHLO": b"250-hi\r\n250 PIPELINING\r\n", "RCPT": b"550 no\r\n", "DOT": b"554 no valid recipients\r\n"}
    with scripted_server(script, seen) as port:
        answers = deliver(port, MESSAGES[:1])
    assert verdicts(answers) == [Verdict.FAILED]
    assert b".\r\n" in seen
    assert not any(line.startswith(b"Subject") for line in seen)


def test_a_message_refused_after_the_dot_is_definite() -> None:
    with scripted_server({"DOT": b"552 5.3.4 too big\r\n"}) as port:
        assert verdicts(deliver(port)) == [Verdict.FAILED] * 3
    with scripted_server({"DOT": b"421 4.3.2 shutting down\r\n"}) as port:
        assert verdicts(deliver(port)) == [Verdict.RETRY] * 3


def test_nobody_listens() -> None:
    with scripted_server({}) as port:
        pass
    answers = deliver(port)
    assert verdicts(answers) == [Verdict.RETURNED] * 3
    assert answers[0].detail.startswith("not handed over: ")


def test_what_was_withdrawn_is_not_handed_over() -> None:
    """Three messages on one line: the first waits for its answer when its slice is given up."""
    seen: list[bytes] = []
    with scripted_server({"DOT": b"250-wait\r\n"}, seen) as port:

        async def run() -> list[str]:
            smtp = channel(port, connections=1)
            handed: list[str] = []

            async def listen() -> None:
                async for _ in smtp.deliver(MESSAGES, lambda message: handed.append(message.id)):
                    pass

            with pytest.raises(TimeoutError):
                await asyncio.wait_for(listen(), 0.3)
            await smtp.close()
            return handed

        assert asyncio.run(run()) == [MESSAGES[0].id]
    assert sum(line.startswith(b"Subject") for line in seen) == 1


def test_a_slice_that_is_given_up_does_not_touch_another() -> None:
    mailbox = Mailbox(extensions=("PIPELINING",))
    others = [replace(one, id=f"{number:032x}") for number, one in enumerate(MESSAGES, start=100)]
    with smtp_server(mailbox) as port:

        async def run() -> list[Receipt]:
            smtp = channel(port, connections=1)
            given_up = asyncio.create_task(collect_receipts(smtp, MESSAGES))
            kept = asyncio.create_task(collect_receipts(smtp, others))
            await asyncio.sleep(0)
            given_up.cancel()
            answers = await kept
            await smtp.close()
            return answers

        assert verdicts(asyncio.run(run())) == [Verdict.SENT] * 3
    assert len(mailbox.messages) == 3


def test_a_closed_channel_works_again_in_another_event_loop() -> None:
    mailbox = Mailbox()
    with smtp_server(mailbox) as port:
        smtp = channel(port)

        async def run() -> int:
            answers = await collect_receipts(smtp, MESSAGES)
            await smtp.close()
            return len(answers)

        assert (asyncio.run(run()), asyncio.run(run())) == (3, 3)
    assert mailbox.connections == 6


def test_a_local_part_outside_of_ascii_needs_smtputf8() -> None:
    message = replace(MESSAGES[0], to="añá@bücher.example")
    plain, able = Mailbox(), Mailbox()
    with smtp_server(plain, enable_SMTPUTF8=False) as port:
        assert deliver(port, [message])[0].detail == "address_unsupported: the server lacks SMTPUTF8"
    with smtp_server(able, enable_SMTPUTF8=True) as port:
        assert verdicts(deliver(port, [message])) == [Verdict.SENT]
    assert plain.messages == []
    assert able.messages[0].to == ("añá@xn--bcher-kva.example",)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


def test_starttls_and_login(tls: Path) -> None:
    mailbox = Mailbox()
    settings = {"tls_context": server_tls(tls), "require_starttls": True, "auth_required": True}
    options: dict[str, Any] = {"tls": "starttls", "host": "localhost", "ca_file": tls / "cert.pem"}
    options |= {"username": "shop", "password": Secret("s3cret")}

    def send(**changed: Any) -> Receipt:
        return deliver(port, MESSAGES[:1], **options | changed)[0]

    with smtp_server(mailbox, authenticator=accepts("shop", "s3cret"), **settings) as port:
        assert send().verdict is Verdict.SENT
        wrong = send(password=Secret("wrong"))
        assert (wrong.verdict, wrong.detail[:20]) == (Verdict.RETURNED, "not handed over: 535")
        untrusted = send(ca_file=None)
        assert untrusted.verdict is Verdict.RETURNED
        assert "certificate" in untrusted.detail.lower()
    assert len(mailbox.messages) == 1
    assert "s3cret" not in repr(SmtpOptions(**options))


def test_a_certificate_file_that_is_missing() -> None:
    (answer,) = deliver(9, MESSAGES[:1], tls="starttls", ca_file=Path("/nowhere/ca.pem"))
    assert answer.verdict is Verdict.RETURNED
    assert "No such file or directory" in answer.detail


def test_what_breaks_on_our_side_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(options: SmtpOptions) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("automation_email.smtp.log_in", broken)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        deliver(9)


def test_options() -> None:
    with pytest.raises(ValueError, match="username and password belong together"):
        SmtpOptions(host="x", username="shop")
    login: dict[str, Any] = {"username": "shop", "password": "s3cret", "tls": "none"}
    with pytest.raises(ValueError, match="without TLS anybody on the way can read the password"):
        SmtpOptions(host="mail.example.com", **login)
    assert SmtpOptions(host="localhost", **login).username == "shop"


def test_a_header_with_the_id_for_a_provider_that_reports_by_it() -> None:
    mailbox = Mailbox()
    with smtp_server(mailbox) as port:
        assert verdicts(deliver(port, id_header="X-PM-Metadata-message")) == [Verdict.SENT] * 3
    parsed = [email.message_from_bytes(taken.data, policy=email.policy.default) for taken in mailbox.messages]
    assert sorted(str(one["X-PM-Metadata-message"]) for one in parsed) == sorted(m.id for m in MESSAGES)


@pytest.mark.parametrize("name", ["Subject", "X-", "X-Id: 1", "X-Id\r\nBcc", "Bcc"])
def test_a_header_of_another_kind_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="id_header"):
        SmtpOptions(host="127.0.0.1", id_header=name)
