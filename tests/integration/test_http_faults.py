"""Everything that can go wrong with an HTTP service, for every HTTP channel.

Each fault has an expected verdict, which must agree with what the server received.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from support.channels import one
from support.http import Act, Drip, Fault, Service, http_server, refused_port, reply

from automation.contracts import Channel
from automation.types.message import Verdict
from automation.types.secret import Secret
from automation_push.fcm import FcmChannel, FcmOptions
from automation_push.web_push import WebPushChannel, WebPushOptions
from automation_sms.http_sms import HttpSmsChannel, HttpSmsOptions
from automation_sms.twilio import TwilioChannel, TwilioOptions
from automation_webhook.webhook import WebhookChannel, WebhookOptions

QUICK = {"timeout": 1.0, "response_timeout": 0.3}
RSA = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
POINT = ec.generate_private_key(ec.SECP256R1()).public_key()
GOOD = {"sid": "SM1", "status": "queued", "name": "projects/p/messages/1"}


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def twilio(url: str, _: str) -> tuple[Channel, str]:
    options = TwilioOptions(account_sid="AC1", auth_token=Secret("x"), sender="Toy", url=url, **QUICK)
    return TwilioChannel(options), "+4930123456"


def http_sms(url: str, _: str) -> tuple[Channel, str]:
    return HttpSmsChannel(HttpSmsOptions(url=url, form={"to": "{to}", "text": "{text}"}, **QUICK)), "+4930123456"


def fcm(url: str, tokens: str) -> tuple[Channel, str]:
    account = {"client_email": "a@b.example", "project_id": "p", "private_key": RSA, "token_uri": tokens}
    return FcmChannel(FcmOptions(credentials=Secret(json.dumps(account)), url=url, **QUICK)), "device-1"


def web_push(url: str, _: str) -> tuple[Channel, str]:
    point = POINT.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    to = json.dumps({"endpoint": url, "keys": {"p256dh": base64url(point), "auth": base64url(bytes(16))}})
    key = Secret(base64url(bytes([1] * 32)))
    return WebPushChannel(
        WebPushOptions(private_key=key, contact="mailto:a@b.example", allow_private=True, **QUICK)
    ), to


def webhook(url: str, _: str) -> tuple[Channel, str]:
    secret = Secret("whsec_" + base64.b64encode(bytes(32)).decode())
    return WebhookChannel(WebhookOptions(url=url, secret=secret, allow_private=True, **QUICK)), "C1042"


CHANNELS = (twilio, http_sms, fcm, web_push, webhook)


@dataclass(frozen=True)
class Trouble:
    """What the service does, and the expected verdict: `others` for some channels, `verdict` for the rest."""

    name: str
    verdict: str
    act: Act = b""
    others: Mapping[str, str] = field(default_factory=dict)
    where: str = "answer"
    waits: float | None = None
    answered: bool = False
    """Whether the client can read a status."""


def status(code: int, verdict: str, **others: str) -> Trouble:
    return _status(str(code), reply(code), verdict, others)


def _status(name: str, act: Act, verdict: str, others: Mapping[str, str], waits: float | None = None) -> Trouble:
    return Trouble(name, verdict, act, others, waits=waits, answered=True)


def waiting(code: int, said: str, waits: float | None) -> Trouble:
    return _status(f"{code} {said}", reply(code, b"{}", {"Retry-After": said}), "retry", {}, waits)


UNSURE = {"twilio": "ambiguous", "http_sms": "ambiguous"}
"""Channels whose service would send a repeated request twice."""
NO_ID = {"twilio": "ambiguous"}
"""Twilio always returns a SID; a success without one is not from Twilio."""
OWN_URL = {"web_push": "retry"}
"""The URL is the customer's, so the message may be the cause of a failed connection."""
LONG = {"X-Pad": "x" * 150_000}
SURE_OR_NOT = "ambiguous|returned"

TROUBLES = [
    _status("yes", reply(200, GOOD), "sent", {}),
    _status("yes, 201", reply(201, GOOD), "sent", {}),
    _status("yes, after 100", b"HTTP/1.1 100 Continue\r\n\r\n" + reply(200, GOOD), "sent", {}),
    _status("yes, after 103", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + reply(200, GOOD), "sent", {}),
    _status("yes, and more", reply(200, GOOD) + reply(500), "sent", {}),
    _status("yes, hanging up", reply(200, GOOD, {"Connection": "close"}), "sent", {}),
    _status("yes, chunked", b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
        len(json.dumps(GOOD)), json.dumps(GOOD).encode()), "sent", {}),
    status(204, "sent", **NO_ID),
    _status("yes, bad JSON", reply(200, b'{"sid": '), "sent", NO_ID),
    _status("yes, cut off", reply(200, b'{"sid": "SM1"', length=99), "sent", NO_ID),
    _status("yes, huge", reply(200, b"[" + b"1," * 200_000), "sent", NO_ID),
    _status("yes, dripping", Drip(reply(200, GOOD)[60:], 0.05), "ambiguous", {}),
    _status("yes, then dripping", b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{", "sent", NO_ID),
    status(301, "failed"), status(302, "failed"), status(303, "failed"), status(307, "failed"), status(308, "failed"),
    status(304, "failed"),
    status(400, "failed"), status(402, "failed"), status(405, "failed"), status(406, "failed"), status(409, "failed"),
    status(411, "failed"), status(413, "failed"), status(414, "failed"), status(415, "failed"), status(422, "failed"),
    status(451, "failed"), status(404, "failed"), status(410, "failed"),
    status(401, "retry"), status(403, "retry"), status(407, "retry"),
    status(408, "retry"), status(425, "retry"), status(429, "retry"), status(503, "retry"),
    waiting(429, "7", 7), waiting(503, "7", 7), waiting(429, "Mon, 02 Mar 2026 09:30:30 GMT", 30),
    waiting(429, "Sun, 01 Mar 2026 09:30:30 GMT", 0), waiting(429, "a while", None), waiting(429, "1e9", None),
    waiting(503, "99999999999", 86_400),
    status(500, "retry", **UNSURE), status(501, "retry", **UNSURE), status(502, "retry", **UNSURE),
    status(504, "retry", **UNSURE), status(507, "retry", **UNSURE), status(520, "retry", **UNSURE),
    status(599, "retry", **UNSURE),
    _status("no, bad JSON", reply(400, b"{"), "failed", {}),
    _status("no, a list", reply(400, [1]), "failed", {}),
    _status("no, odd fields", reply(400, {"code": [1], "error": "x", "message": 5}), "failed", {}),
    _status("no, cut off", reply(400, b"{", length=99), "failed", {}),
    _status("no, huge", reply(400, b"x" * 400_000), "failed", {}),
    _status("busy, then gone", b"HTTP/1.1 429 X\r\nRetry-After: 7\r\nContent-Length: 99\r\n\r\n", "retry", {}, 7),
    _status("broken, a page", reply(502, b"<html>\xff\x00</html>"), "retry", UNSURE),
    Trouble("no status", "ambiguous", b"hello\r\n\r\n"),
    Trouble("odd status", "ambiguous", b"HTTP/1.1 OK\r\n\r\n"),
    Trouble("half a status", "ambiguous", b"HTTP/1.1 2"),
    Trouble("half the headers", "ambiguous", b"HTTP/1.1 200 X\r\nX-A: 1\r\n"),
    Trouble("endless headers", "ambiguous", reply(200, GOOD, LONG)),
    Trouble("bad header", "ambiguous", b"HTTP/1.1 200 X\r\nno colon\r\n\r\n"),
    Trouble("two lengths", "ambiguous", b"HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
    Trouble("only 100", "ambiguous", b"HTTP/1.1 100 Continue\r\n\r\n"),
    Trouble("another protocol", "ambiguous", b"220 mail.example ESMTP\r\n\r\n"),
    Trouble("stalls", "ambiguous", Fault.STALL),
    Trouble("resets", "ambiguous", Fault.RESET),
    Trouble("closes", "ambiguous", Fault.CLOSE),
    Trouble("drips", "ambiguous", Drip(b"HTTP/1.1 200 X\r\n" + b"X: 1\r\n" * 20)),
    *(Trouble(f"{fault.value}s within the body", "ambiguous", fault, where="inside") for fault in Fault),
    *(
        Trouble(f"{fault.value}s before the body", SURE_OR_NOT, fault, {"web_push": "ambiguous|retry"}, where="early")
        for fault in Fault
    ),
    Trouble("refuses before the body", "failed", reply(413, headers={"Connection": "close"}), where="early"),
    Trouble("is full before the body", "retry", reply(503, headers={"Connection": "close"}), where="early"),
    Trouble("is not there", "returned", others=OWN_URL, where="nowhere"),
]  # fmt: skip


@contextmanager
def served(trouble: Trouble) -> Iterator[tuple[str, str, Service]]:
    """The service's URL, the URL of a token service, and the service, which records its requests."""
    service = Service(lambda _: trouble.act)
    if trouble.where in ("early", "inside"):
        setattr(service, trouble.where, trouble.act)
    tokens = Service(lambda _: reply(200, {"access_token": "t", "expires_in": 3600}))
    with http_server(service) as port, http_server(tokens) as other:
        at = refused_port() if trouble.where == "nowhere" else port
        yield f"http://127.0.0.1:{at}", f"http://127.0.0.1:{other}/token", service


@pytest.mark.slow
@pytest.mark.parametrize("make", CHANNELS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_the_verdict_for_every_fault(trouble: Trouble, make: Callable[[str, str], tuple[Channel, str]]) -> None:
    with served(trouble) as (url, tokens, service):
        answer, handed_over = one(*make(url, tokens))
    wanted = trouble.others.get(make.__name__, trouble.verdict)
    assert answer.verdict.value in wanted.split("|"), answer
    waits = None if answer.retry_after is None else answer.retry_after.total_seconds()
    assert waits == trouble.waits
    gone = make is web_push and trouble.name in ("404", "410")
    assert answer.suppress == ("dead_token" if gone else "")
    assert handed_over or not service.calls, "the service received a message that was not handed over"
    assert service.calls or answer.verdict is not Verdict.SENT, "the verdict is sent, but the service received nothing"
    if service.calls and not trouble.answered:
        assert answer.verdict is Verdict.AMBIGUOUS, "the service received the message, and its result is unknown"
    if not handed_over:
        assert answer.verdict in (Verdict.RETURNED, Verdict.RETRY)


def test_the_fault_table_is_long_enough() -> None:
    assert len(TROUBLES) >= 75
    assert len({trouble.name for trouble in TROUBLES}) == len(TROUBLES)
