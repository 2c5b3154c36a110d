"""FCM against a real local server: the access token, the request, and the verdict for each response."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.channels import delivered, one, verdict_and_wait
from support.http import Act, Call, Fault, Service, http_server, refused_port, reply

from automation.testing.channel import check_channel, example_messages
from automation.types.message import Receipt, Verdict
from automation.types.secret import Secret
from automation_push.fcm import FcmChannel, FcmOptions
from automation_push.jwt import decode_base64url

KEY = rsa.generate_private_key(65537, 2048)
TO = "dEvIcE:APA91bToken"


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def channel(port: int, *, account: dict[str, Any] | None = None, **options: Any) -> FcmChannel:
    said = {
        "type": "service_account",
        "project_id": "toy-shop",
        "client_email": "sender@toy-shop.iam.example",
        "private_key": pem(KEY),
        "token_uri": f"http://127.0.0.1:{port}/token",
    } | (account or {})
    given = {"credentials": Secret(json.dumps(said)), "url": f"http://127.0.0.1:{port}"}
    return FcmChannel(FcmOptions(**given | {"timeout": 2, "response_timeout": 0.5} | options))


def firebase(answer: Callable[[Call], Act], token: Act | None = None, *, lasts: int = 3599) -> Service:
    given = token if token is not None else reply(200, {"access_token": "ya29.x", "expires_in": lasts})
    return Service(lambda call: given if call.path == "/token" else answer(call))


def taken(call: Call) -> bytes:
    return reply(200, {"name": f"projects/toy-shop/messages/0:{len(call.body)}"})


def error(code: int, status: str, message: str = "", details: list[dict[str, Any]] | None = None) -> bytes:
    return reply(code, {"error": {"code": code, "message": message, "status": status, "details": details or []}})


def fcm_code(code: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}


def blames(field: str) -> dict[str, Any]:
    violation = {"field": field, "description": "Invalid"}
    return {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}


def answered(act: Act) -> tuple[Receipt, bool]:
    with http_server(firebase(lambda call: act)) as port:
        return one(channel(port), TO)


def test_contract() -> None:
    with http_server(firebase(taken)) as port:
        check_channel(lambda: channel(port), to=TO)


def test_the_request() -> None:
    service = firebase(taken)
    with http_server(service) as port:
        answer, handed_over = one(channel(port, ttl="1h"), TO, text="Your cart waits\nhttps://shop.example/cart")
    assert (answer.verdict, handed_over) == (Verdict.SENT, True)
    assert answer.provider_id.startswith("projects/toy-shop/messages/0:")
    call = service.calls[1]
    assert (call.method, call.path) == ("POST", "/v1/projects/toy-shop/messages:send")
    assert call.headers["authorization"] == "Bearer ya29.x"
    identity, expires = f"{1:032x}", int(example_messages(TO, 1)[0].sent_at.timestamp()) + 3600
    assert call.json["message"] == {
        "token": TO,
        "notification": {"title": "Grüße aus Malmö", "body": "Your cart waits"},
        "data": {"message_id": identity, "link": "https://shop.example/cart"},
        "android": {"ttl": "3600s", "priority": "NORMAL", "notification": {"tag": identity}},
        "apns": {
            "headers": {"apns-collapse-id": identity, "apns-expiration": str(expires), "apns-priority": "5"},
        },
        "webpush": {
            "headers": {"TTL": "3600", "Topic": identity, "Urgency": "normal"},
            "notification": {"tag": identity},
            "fcm_options": {"link": "https://shop.example/cart"},
        },
    }


def test_the_assertion_for_a_token() -> None:
    service = firebase(taken)
    with http_server(service) as port:
        one(channel(port), TO)
    form = service.calls[0].form
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    head, claims, signature = form["assertion"].split(".")
    KEY.public_key().verify(decode_base64url(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), SHA256())
    sent = int(example_messages(TO, 1)[0].sent_at.timestamp())
    assert json.loads(decode_base64url(claims)) == {
        "iss": "sender@toy-shop.iam.example",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": f"http://127.0.0.1:{port}/token",
        "iat": sent,
        "exp": sent + 3600,
    }


@pytest.mark.parametrize(
    ("lasts", "after", "asked"), [(3599, 3000, 1), (3599, 3400, 2), (600, 400, 2), (3599, -10_000, 2)]
)
def test_a_token_is_reused_until_shortly_before_its_expiry(lasts: int, after: int, asked: int) -> None:
    service = firebase(taken, lasts=lasts)
    with http_server(service) as port:
        made = channel(port)
        messages = example_messages(TO)
        delivered(made, messages)
        delivered(made, [replace(message, sent_at=message.sent_at + timedelta(seconds=after)) for message in messages])
    assert [call.path for call in service.calls].count("/token") == asked
    assert len(service.calls) == 6 + asked


def test_a_rejected_token_is_renewed() -> None:
    service = firebase(lambda call: error(401, "UNAUTHENTICATED"))
    with http_server(service) as port:
        made = channel(port)
        for _ in range(2):
            assert delivered(made, example_messages(TO, 1))[0][0].verdict is Verdict.RETRY
    assert [call.path for call in service.calls].count("/token") == 2


@pytest.mark.parametrize(
    ("act", "detail"),
    [
        (reply(400, {"error": "invalid_grant", "error_description": "bad"}), "no access token: 400 invalid_grant"),
        (reply(200, b"{"), "no access token: 200"),
        (reply(200, {"access_token": 5}), "no access token: 200"),
        (reply(503), "no access token: 503"),
        (Fault.STALL, "no access token: timed out"),
    ],
)
def test_without_a_token_nothing_is_sent(act: Act, detail: str) -> None:
    service = firebase(taken, act)
    with http_server(service) as port:
        answers, handed_over = delivered(channel(port), example_messages(TO))
    assert {(answer.verdict, answer.detail) for answer in answers} == {(Verdict.RETURNED, detail)}
    assert handed_over == []
    assert all(call.path == "/token" for call in service.calls)


@pytest.mark.parametrize(
    ("act", "verdict", "suppress"),
    [
        (error(404, "NOT_FOUND", "not found", [fcm_code("UNREGISTERED")]), "failed", "dead_token"),
        (error(404, "NOT_FOUND", "no such project"), "failed", ""),
        (error(400, "INVALID_ARGUMENT", "", [blames("message.token")]), "failed", "dead_token"),
        (error(400, "INVALID_ARGUMENT", "", [fcm_code("INVALID_ARGUMENT"), blames("message.apns")]), "failed", ""),
        (error(400, "INVALID_ARGUMENT", "", [fcm_code("INVALID_ARGUMENT")]), "failed", ""),
        (error(403, "PERMISSION_DENIED", "", [fcm_code("SENDER_ID_MISMATCH")]), "failed", ""),
        (error(403, "PERMISSION_DENIED"), "retry", ""),
        (error(401, "UNAUTHENTICATED", "", [fcm_code("THIRD_PARTY_AUTH_ERROR")]), "retry", ""),
        (error(500, "INTERNAL", "", [fcm_code("INTERNAL")]), "retry", ""),
        (error(503, "UNAVAILABLE", "", [fcm_code("UNAVAILABLE")]), "retry", ""),
        (reply(400, {"error": {"details": [5, {"fieldViolations": [7]}, {"fieldViolations": None}]}}), "failed", ""),
        (reply(400, {"error": []}), "failed", ""),
        (reply(502, b"<html>"), "retry", ""),
        (reply(200, b"not json"), "sent", ""),
        (Fault.STALL, "ambiguous", ""),
    ],
)  # fmt: skip
def test_the_verdict_for_a_response(act: Act, verdict: str, suppress: str) -> None:
    answer, handed_over = answered(act)
    assert (answer.verdict.value, answer.suppress) == (verdict, suppress)
    assert handed_over


def test_retry_after_is_respected() -> None:
    quota = reply(429, {"error": {"status": "RESOURCE_EXHAUSTED"}}, {"Retry-After": "60"})
    answer, _ = answered(quota)
    assert verdict_and_wait(answer) == (Verdict.RETRY, 60)
    assert answer.detail == "429 RESOURCE_EXHAUSTED"


def test_no_connection_is_returned() -> None:
    service = firebase(taken)
    with http_server(service) as port:
        answer, handed_over = one(channel(port, url=f"http://127.0.0.1:{refused_port()}"), TO)
    assert (answer.verdict, handed_over) == (Verdict.RETURNED, False)


@pytest.mark.parametrize(
    ("account", "what"),
    [
        ({"private_key": None}, "not the JSON of a service account's key file"),
        ({"project_id": "x", "token_uri": "ftp://x"}, "not the JSON of a service account's key file"),
        ({"token_uri": "http://elsewhere.example/token"}, "token_uri does not begin with https://"),
    ],
)
def test_invalid_credentials(account: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        channel(1, account=account)


@pytest.mark.parametrize("text", ["", "{}", "[]", "/etc/key.json", '{"client_email": "a"}'])
def test_an_invalid_key_file(text: str) -> None:
    with pytest.raises(ValueError, match="not the JSON of a service account's key file"):
        FcmOptions(credentials=Secret(text))


@pytest.mark.parametrize("key", ["no pem", pem(ec.generate_private_key(ec.SECP256R1()))])
def test_an_invalid_private_key_returns_all_messages(key: str) -> None:
    answer, _ = one(channel(1, account={"private_key": key}), TO)
    assert answer.verdict is Verdict.RETURNED
    assert answer.detail.startswith("the service account's private key")
