"""Twilio's responses, from a real server, and the verdict and suppression for each."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from support.channels import delivered, one, verdict_and_wait
from support.http import Act, Call, Drip, Fault, Service, http_server, refused_port, reply

from automation.testing.channel import check_channel, example_messages
from automation.types.message import Receipt, Verdict
from automation.types.secret import Secret
from automation_sms.twilio import TwilioChannel, TwilioOptions

TO = "+4930123456"


def channel(port: int, **options: Any) -> TwilioChannel:
    given = {
        "account_sid": "AC0123",
        "auth_token": Secret("s3cret"),
        "sender": "+15005550006",
        "url": f"http://127.0.0.1:{port}",
        "timeout": 2,
        "response_timeout": 0.5,
    }
    return TwilioChannel(TwilioOptions(**given | options))


def taken(call: Call) -> bytes:
    return reply(201, {"sid": f"SM{len(call.form['Body'])}", "status": "queued", "error_code": None})


def refusal(status: int, code: int, message: str = "", headers: dict[str, str] | None = None) -> bytes:
    return reply(status, {"code": code, "message": message, "status": status}, headers)


def answered(act: Act | Callable[[Call], Act], to: str = TO, **options: Any) -> tuple[Receipt, bool]:
    with http_server(Service(act if callable(act) else lambda call: act)) as port:
        return one(channel(port, **options), to)


def test_contract() -> None:
    with http_server(Service(taken)) as port:
        check_channel(lambda: channel(port), to=TO)


def test_the_request() -> None:
    service = Service(taken)
    with http_server(service) as port:
        answer, _ = one(
            channel(port, status_callback="https://shop.example/hook?message={id}"), "030 123456", text="Hi, 5 € off\n"
        )
        failed, handed_over = one(channel(port), "030 123456")
        local, _ = one(channel(port, region="DE", messaging_service="MG1", sender=None), "030 123456", text="Hi")
    assert (failed.verdict, failed.detail, handed_over) == (
        Verdict.FAILED,
        "not a phone number with a country code",
        False,
    )
    assert answer.verdict is Verdict.FAILED
    (call,) = service.calls
    assert (call.method, call.path) == ("POST", "/2010-04-01/Accounts/AC0123/Messages.json")
    assert call.headers["authorization"] == "Basic " + base64.b64encode(b"AC0123:s3cret").decode()
    assert call.form == {"To": TO, "Body": "Hi", "MessagingServiceSid": "MG1"}
    assert (local.provider_id, local.detail) == ("SM2", "1 segment, GSM-7")


def test_sender_callback_key_and_footer() -> None:
    service = Service(taken)
    options = {
        "status_callback": "https://shop.example/hook?message={id}",
        "footer": "Reply STOP to opt out",
        "api_key": "SK9",
    }
    with http_server(service) as port:
        one(channel(port, **options), TO, text="Hi, 5 € off\n")
        one(channel(port, **options), TO, text="Reply STOP to opt out. Hi")
    assert service.calls[0].form == {
        "To": TO,
        "From": "+15005550006",
        "Body": "Hi, 5 € off\nReply STOP to opt out",
        "StatusCallback": f"https://shop.example/hook?message={1:032x}",
    }
    assert service.calls[1].form["Body"] == "Reply STOP to opt out. Hi"
    assert service.calls[0].headers["authorization"] == "Basic " + base64.b64encode(b"SK9:s3cret").decode()


@pytest.mark.parametrize(
    ("act", "verdict", "suppress", "detail"),
    [
        (refusal(400, 21610, f"stopped by {TO}"), "failed", "unsubscribed", "21610 stopped by <address>"),
        (refusal(400, 21211, "+49 30 123 is none"), "failed", "hard_bounce", "21211 <number> is none"),
        (refusal(400, 21614), "failed", "hard_bounce", "21614"),
        (refusal(400, 21612, "no route"), "failed", "", "21612 no route"),
        (refusal(400, 30001, "queue overflow"), "retry", "", "30001 queue overflow"),
        (refusal(401, 20003, "Authenticate"), "retry", "", "20003 Authenticate"),
        (refusal(404, 20404), "failed", "", "20404"),
        (refusal(500, 20500, "internal"), "ambiguous", "", "20500 internal"),
        (reply(502, b"<html>bad gateway</html>"), "ambiguous", "", "502"),
        (reply(504), "ambiguous", "", "504"),
        (reply(307, headers={"Location": "https://elsewhere.example/"}), "failed", "", "307"),
        (reply(200, b"<html>welcome to the hotel</html>"), "ambiguous", "", "accepted, but the response has no SID"),
        (reply(201, b'{"sid": "SM1', length=40), "ambiguous", "", "accepted, but the response has no SID"),
        (reply(201, {"sid": "SM1", "pad": "x" * 300_000}), "ambiguous", "", "accepted, but the response has no SID"),
        (reply(201, {"sid": "SM1", "status": "failed", "error_code": 30007}), "failed", "", "30007"),
        (reply(400, [1]), "failed", "", "400"),
        (Drip(reply(201, {"sid": "SM1"})), "ambiguous", "", "no response: timed out"),
        (Fault.STALL, "ambiguous", "", "no response: timed out"),
    ],
)  # fmt: skip
def test_the_verdict_for_a_response(act: Act, verdict: str, suppress: str, detail: str) -> None:
    answer, handed_over = answered(act)
    assert (answer.verdict.value, answer.suppress, answer.detail) == (verdict, suppress, detail)
    assert handed_over


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CLOSE])
def test_a_connection_failure_after_the_body_is_ambiguous(fault: Fault) -> None:
    answer, handed_over = answered(fault)
    assert (answer.verdict, handed_over) == (Verdict.AMBIGUOUS, True)
    assert answer.detail.startswith("no response: the connection failed")


@pytest.mark.parametrize(
    ("act", "seconds"),
    [
        (refusal(429, 20429, headers={"Retry-After": "17"}), 17),
        (refusal(429, 20429), None),
        (reply(503, headers={"Retry-After": "Mon, 02 Mar 2026 09:30:40 GMT"}), 40),
    ],
)
def test_retry_after_is_respected(act: Act, seconds: float | None) -> None:
    assert verdict_and_wait(answered(act)[0]) == (Verdict.RETRY, seconds)


def test_no_connection_is_returned() -> None:
    answer, handed_over = one(channel(refused_port()), TO)
    assert (answer.verdict, handed_over) == (Verdict.RETURNED, False)
    assert answer.detail.startswith("not sent: no connection")


def test_a_bad_number_does_not_affect_the_others() -> None:
    def by_number(call: Call) -> bytes:
        return refusal(400, 21610) if call.form["To"].endswith("2") else taken(call)

    messages = [
        message.__class__(**{**message.__dict__, "to": f"+493012345{index}"})
        for index, message in enumerate(example_messages(TO, 5))
    ]
    with http_server(Service(by_number)) as port:
        answers, handed_over = delivered(channel(port, connections=2), messages)
    assert [answer.verdict.value for answer in answers] == ["sent", "sent", "failed", "sent", "sent"]
    assert len(handed_over) == 5


def test_a_text_with_too_many_segments_is_not_sent() -> None:
    service = Service(taken)
    with http_server(service) as port:
        answer, handed_over = one(channel(port, max_segments=2), TO, text="’" * 135)
        empty, _ = one(channel(port), TO, text=" \n")
    assert (answer.verdict, handed_over) == (Verdict.FAILED, False)
    assert answer.detail == "too long: 3 segments, UCS-2; max_segments is 2"
    assert empty.detail == "the text is empty"
    assert service.calls == []


def test_invalid_options() -> None:
    with pytest.raises(ValueError, match="either messaging_service or sender"):
        channel(1, messaging_service="MG1")
    with pytest.raises(ValueError, match="must begin with https://"):
        channel(1, url="http://api.twilio.example")
    assert "s3cret" not in repr(channel(1).options)


# Asked later


def listed(entries: list[dict[str, Any]], **headers: str) -> Callable[[Call], Act]:
    def act(call: Call) -> Act:
        assert call.method == "GET"
        assert call.path.startswith("/2010-04-01/Accounts/AC0123/Messages.json?To=%2B4930123456")
        assert call.headers["authorization"] == "Basic " + base64.b64encode(b"AC0123:s3cret").decode()
        return reply(200, {"messages": entries}, headers)

    return act


def entry(text: str, after: timedelta = timedelta(seconds=2), **changed: object) -> dict[str, Any]:
    created = format_datetime(EXAMPLE.sent_at + after)
    return {"sid": "SM7", "body": text, "status": "delivered", "date_created": created, **changed}


def asked(answer: Callable[[Call], Act]) -> list[Receipt]:
    with http_server(Service(answer)) as port:
        return asyncio.run(resolved(channel(port)))


async def resolved(twilio: TwilioChannel) -> list[Receipt]:
    try:
        return await twilio.resolve([EXAMPLE])
    finally:
        await twilio.close()


(EXAMPLE,) = example_messages(TO, 1)
LATER = {"Date": format_datetime(EXAMPLE.sent_at + timedelta(minutes=3))}
SOON = {"Date": format_datetime(EXAMPLE.sent_at + timedelta(minutes=1))}
ELSE = entry("another text")


def test_a_message_found_in_the_list_is_sent() -> None:
    (found,) = asked(listed([ELSE, entry(f"Sent from your trial account - {EXAMPLE.text.strip()}")], **LATER))
    assert (found.verdict, found.provider_id, found.id) == (Verdict.SENT, "SM7", EXAMPLE.id)


def test_a_message_that_the_list_shows_as_failed_has_failed() -> None:
    gone = entry(EXAMPLE.text.strip(), status="failed", error_code=30005, error_message="unknown handset")
    (found,) = asked(listed([gone], **LATER))
    assert (found.verdict, found.detail) == (Verdict.FAILED, "30005 unknown handset")


@pytest.mark.parametrize(
    "entries", [[], [entry(EXAMPLE.text.strip(), timedelta(days=-1))]], ids=["none", "yesterday's"]
)
def test_a_message_missing_from_the_list_after_two_minutes_is_retried(entries: list[dict[str, Any]]) -> None:
    (found,) = asked(listed(entries, **LATER))
    assert (found.verdict, found.detail) == (Verdict.RETRY, "Twilio did not receive the message")
    assert asked(listed(entries, **SOON)) == []
    assert asked(listed(entries)) == []  # without a time of Twilio's nobody knows how long ago it was


@pytest.mark.parametrize(
    "act",
    [reply(503), reply(401, {"code": 20003}), reply(200, b"hello", LATER), reply(200, {"messages": 1}, LATER)],
    ids=["unavailable", "credentials", "no JSON", "no list"],
)
def test_an_invalid_list_resolves_nothing(act: Act) -> None:
    assert asked(lambda call: act) == []


def test_a_full_list_without_the_message_resolves_nothing() -> None:
    assert asked(listed([entry("another text", timedelta(days=-1))] * 50, **LATER)) == []


@pytest.mark.parametrize(
    "one",
    [ELSE, entry("Hello", timedelta(minutes=-30)), entry("Hello", timedelta(hours=2)), {"body": "Hello"}],
    ids=["rewritten", "our clock is ahead", "our clock is behind", "without a time"],
)
def test_another_text_at_the_same_time_resolves_nothing(one: dict[str, Any]) -> None:
    assert asked(listed([one], **LATER)) == []
