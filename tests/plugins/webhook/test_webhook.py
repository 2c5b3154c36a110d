"""Webhooks as a receiver gets them, and the verdict for each response."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks
from support.channels import delivered, one, verdict_and_wait
from support.http import Act, Call, Drip, Fault, Service, http_server, refused_port, reply

from automation.testing.channel import check_channel, example_messages
from automation.types.message import Receipt, Verdict
from automation.types.secret import Secret
from automation_webhook.filters import to_json
from automation_webhook.signature import decode_secret, sign_headers
from automation_webhook.webhook import WebhookChannel, WebhookOptions

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OLD = "whsec_" + base64.b64encode(b"fedcba9876543210fedcba98").decode()
TO = "C1042"


def channel(port: int, **options: Any) -> WebhookChannel:
    given = {"url": f"http://127.0.0.1:{port}/hook", "secret": Secret(SECRET), "allow_private": True}
    return WebhookChannel(WebhookOptions(**given | {"timeout": 2, "response_timeout": 0.5} | options))


def answered(act: Act | Callable[[Call], Act], **options: Any) -> tuple[Receipt, bool]:
    with http_server(Service(act if callable(act) else lambda call: act)) as port:
        return one(channel(port, **options), TO)


def verified(call: Call, secret: str) -> Any:
    """The body, verified by the reference implementation. Raises if the signature is wrong."""
    return standardwebhooks.Webhook(secret).verify(call.body.decode(), dict(call.headers))


def test_contract() -> None:
    with http_server(Service(lambda call: reply(204))) as port:
        check_channel(lambda: channel(port))


def test_the_reference_implementation_verifies_the_request() -> None:
    service = Service(lambda call: reply(204))
    now = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - the reference looks at its own clock
    with http_server(service) as port:
        options = {"previous_secret": Secret(OLD), "headers": {"Authorization": Secret("Bearer x")}}
        answer, handed_over = one(channel(port, **options), TO, sent_at=now, text="Ruf Ana an – „heute“")
    assert (answer.verdict, answer.detail, handed_over) == (Verdict.SENT, "", True)
    (call,) = service.calls
    expected = {
        "type": "message",
        "timestamp": now.isoformat(),
        "data": {
            "message_id": f"{1:032x}",
            "customer_id": TO,
            "channel": "example",
            "language": "en",
            "subject": "Grüße aus Malmö",
            "text": "Ruf Ana an – „heute“",
        },
    }
    assert verified(call, SECRET) == verified(call, OLD) == expected
    assert (call.headers["webhook-id"], call.headers["content-type"]) == (f"{1:032x}", "application/json")
    assert call.headers["authorization"] == "Bearer x"
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    for changed in (call.__class__(call.method, call.path, call.headers, call.body + b" "), call):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            verified(changed, other if changed is call else SECRET)


def test_the_example_of_the_specification() -> None:
    """From the tests of the reference implementations."""
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = sign_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        at,
        b'{"test": 2432232314}',
        [decode_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_json_content() -> None:
    service = Service(lambda call: reply(200))
    text = '{"name": "A\\"na", "items": [1, 2]}'
    with http_server(service) as port:
        assert one(channel(port, content="json"), TO, text=text)[0].verdict is Verdict.SENT
        broken, handed_over = one(channel(port, content="json"), TO, text='{"name": Ana}')
    assert service.calls[0].json["data"]["content"] == {"name": 'A"na', "items": [1, 2]}
    assert "text" not in service.calls[0].json["data"]
    assert (broken.verdict, handed_over) == (Verdict.FAILED, False)
    assert broken.detail == "the template did not produce JSON; insert values with `| json`"


@pytest.mark.parametrize("value", ['a"b\\', "</script>\n", None, 1.5, [{"a": "ü"}]])
def test_the_json_filter(value: Any) -> None:
    assert json.loads(to_json(value)) == value


@pytest.mark.parametrize(
    ("act", "verdict", "detail"),
    [
        (reply(200, b"x" * 300_000), "sent", ""),
        (reply(301, headers={"Location": "http://127.0.0.1:1/"}), "failed", "301"),
        (reply(400), "failed", "400"),
        (reply(401), "retry", "401"),
        (reply(404), "failed", "404"),
        (reply(410), "failed", "410"),
        (reply(500), "retry", "500"),
        (reply(502), "retry", "502"),
        (Drip(reply(200)), "ambiguous", "no response: timed out"),
        (Fault.STALL, "ambiguous", "no response: timed out"),
    ],
)
def test_the_verdict_for_a_response(act: Act, verdict: str, detail: str) -> None:
    answer, handed_over = answered(act)
    assert (answer.verdict.value, answer.detail, answer.suppress) == (verdict, detail, "")
    assert handed_over


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("said", "seconds"), [("9", 9), ("Mon, 02 Mar 2026 09:31:00 GMT", 60)])
def test_retry_after_is_respected(status: int, said: str, seconds: float) -> None:
    assert verdict_and_wait(answered(reply(status, headers={"Retry-After": said}))[0]) == (Verdict.RETRY, seconds)


def test_no_connection_is_returned() -> None:
    answer, handed_over = one(channel(refused_port()), TO)
    assert (answer.verdict, handed_over) == (Verdict.RETURNED, False)


def test_a_private_network_is_refused_unless_allowed() -> None:
    service = Service(lambda call: reply(200))
    with http_server(service) as port:
        answer, handed_over = one(channel(port, allow_private=False), TO)
        assert (answer.verdict, handed_over) == (Verdict.FAILED, False)
        assert answer.detail == "URL not allowed: the host is in a private network"
        assert service.connections == 0
        assert one(channel(port), TO)[0].verdict is Verdict.SENT


def test_the_same_id_for_every_attempt() -> None:
    service = Service(lambda call: reply(503))
    (message,) = example_messages(TO, 1)
    with http_server(service) as port:
        for attempt in (1, 2):
            delivered(channel(port), [message.__class__(**{**message.__dict__, "attempt": attempt})])
    assert [call.headers["webhook-id"] for call in service.calls] == [message.id, message.id]


@pytest.mark.parametrize(
    ("headers", "what"),
    [
        ({"content-length": Secret("1")}, "content-length is set by the HTTP client"),
        ({"X": Secret("a\nb")}, "a header value must be one line of ASCII"),
    ],
)
def test_invalid_headers_are_refused(headers: dict[str, Secret], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        channel(1, headers=headers)


def test_a_body_that_is_too_long() -> None:
    assert one(channel(1), TO, text="x" * 300_000)[0].detail.startswith("too long: 300")


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "whsec_*", "password", "whsec_" + "A" * 100])
def test_an_invalid_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="not a webhook secret; expected whsec_ and 24 to 64 bytes") as raised:
        channel(1, secret=Secret(secret))
    assert len(secret) < 8 or secret not in str(raised.value)
