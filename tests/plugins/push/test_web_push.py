"""Web Push to a simulated browser: the request that it decrypts, and the verdict for each response."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.channels import delivered, one, verdict_and_wait
from support.http import Act, Call, Fault, Service, http_server, refused_port, reply

from automation.testing.channel import check_channel, example_messages
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.secret import Secret
from automation_push.jwt import decode_base64url, encode_base64url
from automation_push.web_push import WebPushChannel, WebPushOptions

KEY = ec.generate_private_key(ec.SECP256R1())
PRIVATE = encode_base64url(KEY.private_numbers().private_value.to_bytes(32, "big"))


@dataclass
class Browser:
    """A subscription that decrypts requests."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def subscription(self, port: int, path: str = "/push/1", **changed: Any) -> str:
        public = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": encode_base64url(public), "auth": encode_base64url(self.secret)}
        said = {"endpoint": f"http://127.0.0.1:{port}{path}", "expirationTime": None, "keys": keys}
        return json.dumps(said | changed)

    def read(self, call: Call) -> Any:
        return json.loads(
            http_ece.decrypt(call.body, private_key=self.key, auth_secret=self.secret, version="aes128gcm")
        )


def channel(**options: Any) -> WebPushChannel:
    given = {"private_key": Secret(PRIVATE), "contact": "mailto:hi@toy.example", "allow_private": True}
    return WebPushChannel(WebPushOptions(**given | {"timeout": 2, "response_timeout": 0.5} | options))


def answered(act: Act | Callable[[Call], Act]) -> tuple[Receipt, bool]:
    with http_server(Service(act if callable(act) else lambda call: act)) as port:
        return one(channel(), Browser().subscription(port))


def test_contract() -> None:
    with http_server(Service(lambda call: reply(201))) as port:
        check_channel(channel, to=Browser().subscription(port))


def test_the_request() -> None:
    browser, service = Browser(), Service(lambda call: reply(201))
    with http_server(service) as port:
        text = "Your cart – 20 %\nis waiting\nhttps://shop.example/cart?a=b\n"
        answer, handed_over = one(channel(ttl="2h", urgency="high"), browser.subscription(port), text=text)
    assert (answer.verdict, handed_over) == (Verdict.SENT, True)
    (call,) = service.calls
    assert (call.method, call.path) == ("POST", "/push/1")
    assert browser.read(call) == {
        "id": f"{1:032x}",
        "title": "Grüße aus Malmö",
        "body": "Your cart – 20 %\nis waiting",
        "url": "https://shop.example/cart?a=b",
    }
    names = ("content-encoding", "ttl", "urgency", "topic")
    assert [call.headers[name] for name in names] == ["aes128gcm", "7200", "high", f"{1:032x}"]


def test_the_vapid_token() -> None:
    """RFC 8292, 2 and 3: signed with our key, for this push service, valid for at most a day, and reused."""
    service = Service(lambda call: reply(201))
    with http_server(service) as port:
        delivered(channel(), example_messages(Browser().subscription(port)))
    fields = [
        dict(part.split("=", 1) for part in call.headers["authorization"][6:].split(", ")) for call in service.calls
    ]
    assert len({part["t"] for part in fields}) == 1
    head, claims, signature = fields[0]["t"].split(".")
    said = json.loads(decode_base64url(claims))
    sent = example_messages("x", 1)[0].sent_at.timestamp()
    assert (said["aud"], said["sub"]) == (f"http://127.0.0.1:{port}", "mailto:hi@toy.example")
    assert 0 < said["exp"] - sent <= 24 * 3600
    raw = decode_base64url(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    known = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode_base64url(fields[0]["k"]))
    known.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))
    assert known.public_numbers() == KEY.public_key().public_numbers()


@pytest.mark.parametrize(
    ("act", "verdict", "suppress", "detail"),
    [
        (reply(200), "sent", "", ""),
        (reply(404), "failed", "dead_token", "404 the subscription is gone"),
        (reply(410), "failed", "dead_token", "410 the subscription is gone"),
        (reply(400, b"bad\nheader"), "failed", "", "400 bad header"),
        (reply(413), "failed", "", "413"),
        (reply(401), "retry", "", "401"),
        (reply(500), "retry", "", "500"),
        (reply(502, b"x" * 300_000), "retry", "", "502 " + "x" * 150),
        (reply(302, headers={"Location": "http://127.0.0.1:1/"}), "failed", "", "302"),
        (Fault.STALL, "ambiguous", "", "no response: timed out"),
    ],
)
def test_the_verdict_for_a_response(act: Act, verdict: str, suppress: str, detail: str) -> None:
    answer, handed_over = answered(act)
    assert (answer.verdict.value, answer.suppress, answer.detail) == (verdict, suppress, detail)
    assert handed_over


def test_retry_after_is_respected() -> None:
    assert verdict_and_wait(answered(reply(429, headers={"Retry-After": "30"}))[0]) == (Verdict.RETRY, 30)


def test_an_unreachable_endpoint_counts_as_an_attempt() -> None:
    """The URL is the customer's own: RETURNED would not count as an attempt, so it would be tried forever."""
    answer, handed_over = one(channel(), Browser().subscription(refused_port()))
    assert (answer.verdict, handed_over) == (Verdict.RETRY, False)


@pytest.mark.parametrize(
    ("endpoint", "detail"),
    [
        ("http://push.example/1", "the endpoint does not begin with https://"),
        ("https://127.0.0.1:{port}/1", "URL not allowed: the host is in a private network"),
        ("https://localhost:{port}/1", "URL not allowed: the host is in a private network"),
        ("https://169.254.169.254/latest/meta-data", "URL not allowed: the host is in a private network"),
        ("https://[::ffff:10.0.0.1]/", "URL not allowed: the host is in a private network"),
        ("file:///etc/passwd", "not a push subscription"),
        ("https://user:pw@push.example/", "not a push subscription"),
    ],
)
def test_an_endpoint_in_a_private_network_is_refused(endpoint: str, detail: str) -> None:
    service = Service(lambda call: reply(201))
    with http_server(service) as port:
        to = Browser().subscription(port, endpoint=endpoint.format(port=port))
        answer, handed_over = one(channel(allow_private=False), to)
    assert (answer.verdict, answer.detail, handed_over) == (Verdict.FAILED, detail, False)
    assert service.connections == 0


@pytest.mark.parametrize(
    "to",
    [
        "", "null", "[]", '"x"', "{", "device-token", '{"endpoint": "https://push.example/"}',
        '{"endpoint": "https://push.example/", "keys": {"p256dh": "AA", "auth": 5}}',
        '{"endpoint": "https://push.example/", "keys": {"p256dh": "AA", "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}',
        '{"endpoint": "https://push.example/", "keys": []}', "[" * 100_000,
    ],
)  # fmt: skip
def test_an_invalid_subscription(to: str) -> None:
    answer, handed_over = one(channel(), to)
    assert (answer.verdict, handed_over) == (Verdict.FAILED, False)
    assert answer.detail.startswith("not a push subscription")


def test_a_message_that_is_too_long_or_empty() -> None:
    to = Browser().subscription(1)
    assert one(channel(), to, text="ä" * 3000)[0].detail == "too long: 6089 bytes; at most 3993 are allowed"
    assert one(channel(), to, text="", subject="")[0].detail == "the text is empty"


def test_a_dead_subscription_does_not_affect_the_others() -> None:
    service = Service(lambda call: reply(410 if call.path.endswith("2") else 201))
    with http_server(service) as port:
        messages = [
            Rendered(**{**message.__dict__, "to": Browser().subscription(port, f"/push/{number}")})
            for number, message in enumerate(example_messages("x", 4))
        ]
        answers, _ = delivered(channel(), messages)
    assert [answer.verdict.value for answer in answers] == ["sent", "sent", "failed", "sent"]


@pytest.mark.parametrize("key", ["", "short", "*" * 43, "-----BEGIN PRIVATE KEY-----", "A" * 43, "_" * 42 + "8"])
def test_an_invalid_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not a VAPID private key"):
        channel(private_key=Secret(key))
