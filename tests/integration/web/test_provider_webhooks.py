"""Webhooks of message providers on a real server: what each proof lets in, and what follows."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.authority import Authority
from support.web import Shop
from support.webhooks import (
    CERTIFICATE_URL,
    ISSUER,
    ISSUER_URL,
    ROOT,
    RSA_KEY,
    SECRET,
    TOPIC,
    Amazon,
    certificate,
    hmac_of,
    mailgun,
    mailgun_call,
    pem,
    postmark,
    postmark_call,
    sendgrid,
    sendgrid_call,
    ses_message,
    suppressed,
    twilio,
    twilio_status,
    types,
)

from automation.store.people import suppressions
from automation.web.api.webhooks import receiver

Call = Callable[..., httpx.Response]
OWN = Authority("another root")
FOR_CLIENTS = ISSUER.issue(RSA_KEY.public_key(), ["sns.amazonaws.com"], usage=ExtendedKeyUsageOID.CLIENT_AUTH)


@pytest.mark.parametrize(
    ("call", "event", "more", "type_"),
    [
        (sendgrid, "open", {"useragent": "Thunderbird 140"}, "email_open"),
        (sendgrid, "open", {"useragent": "Thunderbird 140", "sg_machine_open": True}, "machine_open"),
        (sendgrid, "click", {"useragent": "Barracuda Sentinel"}, "machine_click"),
        (mailgun, "opened", {"client-info": {"user-agent": "Thunderbird 140"}}, "email_open"),
        (mailgun, "opened", {"client-info": {"user-agent": "Mozilla/5.0", "bot": "apple"}}, "machine_open"),
        (postmark, "Open", {"UserAgent": "Thunderbird 140"}, "email_open"),
        (postmark, "Click", {"UserAgent": "curl/8"}, "machine_click"),
    ],
)
def test_opens_and_clicks_of_people_and_of_bots(
    shop: Shop, call: Call, event: str, more: dict[str, Any], type_: str
) -> None:
    assert call(shop, event, **more).json() == {"stored": 1}
    assert call(shop, event, **more).json() == {"stored": 0}  # the same call again
    assert types(shop) == [type_]


@pytest.mark.parametrize(
    ("call", "event", "more"),
    [(sendgrid, "processed", {}), (mailgun, "accepted", {}), (postmark, "Inbound", {})],
)
def test_other_events_are_ignored(shop: Shop, call: Call, event: str, more: dict[str, Any]) -> None:
    assert call(shop, event, **more).json() == {"stored": 0}
    assert types(shop) == []


def test_a_message_that_is_not_ours_is_ignored(shop: Shop) -> None:
    event = {"event": "spamreport", "smtp-id": f"<{'f' * 32}@toy.example>", "sg_event_id": "x"}
    assert sendgrid_call(shop, [event, {}, None, 3]).json() == {"stored": 0}
    assert types(shop) == []


def test_a_token_of_mailgun_counts_once_whatever_event_comes_with_it(shop: Shop) -> None:
    headers = {"message-id": f"{shop.messages[0].id}@toy.example"}
    opened = {"event": "opened", "message": {"headers": headers}, "client-info": {"user-agent": "Thunderbird"}}
    assert mailgun_call(shop, opened).json() == {"stored": 1}
    assert mailgun_call(shop, {"event": "complained", "message": {"headers": headers}}).json() == {"stored": 0}
    assert suppressed(shop, shop.messages[0].to) == []


def test_a_token_of_mailgun_is_used_up_by_an_event_that_says_nothing(shop: Shop) -> None:
    """Its signature does not cover the event: who saw it in a harmless call could send it with a complaint."""
    headers = {"message-id": f"{shop.messages[0].id}@toy.example"}
    complained = {"event": "complained", "message": {"headers": headers}}
    calls: list[dict[str, Any]] = [{"event": "accepted"}, {}, {"event": "opened", "message": None}]
    for number, harmless in enumerate(calls):
        assert mailgun_call(shop, harmless, number=number).json() == {"stored": 0}
        assert mailgun_call(shop, complained, number=number).json() == {"stored": 0}
    assert suppressed(shop, shop.messages[0].to) == []
    assert mailgun_call(shop, complained, number=9).json() == {"stored": 1}


def test_what_is_used_up_is_forgotten_once_its_signature_is_too_old(shop: Shop) -> None:
    mailgun_call(shop, {}, number=1)
    shop.move(timedelta(days=3))
    mailgun_call(shop, {}, number=2)
    assert shop.rows("SELECT key FROM webhook_call") == [("mailgun:t2",)]


def test_an_old_call_of_sendgrid_is_refused(shop: Shop) -> None:
    now = shop.workspace.clock.now()
    for days, status in ((-4, 401), (-2, 200), (4, 401)):
        stamp = str(int((now + timedelta(days=days)).timestamp()))
        assert sendgrid_call(shop, [], at=stamp).status_code == status
    assert sendgrid_call(shop, [], at="soon").status_code == 401


def test_an_old_token_of_mailgun_is_refused(shop: Shop) -> None:
    stamp = str(int((shop.workspace.clock.now() - timedelta(days=2)).timestamp()))
    signature = hmac.new(SECRET.encode(), f"{stamp}t".encode(), hashlib.sha256).hexdigest()
    signed = {"timestamp": stamp, "token": "t", "signature": signature}
    assert shop.client.post("/webhooks/mailgun", json={"signature": signed, "event-data": {}}).status_code == 401


# Twilio


def test_stop_and_start_by_sms(shop: Shop) -> None:
    number = "+4915112345678"
    assert twilio(shop, "/webhooks/twilio/inbound", {"From": number, "Body": "Is it still on?"}).status_code == 200
    assert suppressed(shop, number) == []
    twilio(shop, "/webhooks/twilio/inbound", {"From": number, "Body": " Stop ", "MessageSid": "SM1"})
    assert suppressed(shop, number) == ["unsubscribed"]
    twilio(shop, "/webhooks/twilio/inbound", {"From": number, "Body": "START", "MessageSid": "SM2"})
    assert suppressed(shop, number) == []


def test_a_repeated_reply_changes_nothing(shop: Shop) -> None:
    """Twilio's calls have no time: whoever saw one can send it again at any time."""
    number, path = "+4915112345678", "/webhooks/twilio/inbound"
    twilio(shop, path, {"From": number, "Body": "START", "MessageSid": "SM1"})
    twilio(shop, path, {"From": number, "Body": "STOP", "MessageSid": "SM2"})
    shop.move(timedelta(days=400))
    twilio(shop, path, {"From": number, "Body": "START", "MessageSid": "SM1"})
    assert suppressed(shop, number) == ["unsubscribed"]
    twilio(shop, path, {"From": number, "Body": "START", "MessageSid": "SM3"})
    twilio(shop, path, {"From": number, "Body": "STOP", "MessageSid": "SM2"})
    assert suppressed(shop, number) == []


def test_a_late_status_of_twilio_changes_nothing(shop: Shop) -> None:
    shop.move(timedelta(days=7))
    assert twilio_status(shop, "failed", "21610").json() == {"stored": 0}
    assert types(shop) == []


def test_start_does_not_lift_what_an_admin_suppressed(shop: Shop) -> None:
    number = "+4915112345678"
    with shop.workspace.store.transaction() as connection:
        suppressions.suppress(
            connection, [number], channel="email", reason="manual", source="test", now=shop.workspace.clock.now()
        )
    twilio(shop, "/webhooks/twilio/inbound", {"From": number, "Body": "START"})
    assert suppressed(shop, number) == ["manual"]


# Amazon


def test_a_bounce_through_ses(shop: Shop, amazon: Amazon) -> None:
    bounce = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [{"status": "5.1.1"}]}
    message = ses_message(shop, notificationType="Bounce", bounce=bounce)
    assert amazon.call("Notification", Message=message, Subject="x").json() == {"stored": 1}
    assert amazon.call("Notification", Message=message).json() == {"stored": 0}
    assert suppressed(shop, shop.messages[0].to) == ["hard_bounce"]
    assert [event["status"] for event in shop.events()] == ["5.1.1"]
    assert amazon.fetched == [CERTIFICATE_URL]  # once


def test_a_subscription_to_our_topic_is_confirmed(amazon: Amazon) -> None:
    url = f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc"
    fields = {"Message": "You have chosen to subscribe", "Token": "abc"}
    assert amazon.call("SubscriptionConfirmation", SubscribeURL=url, **fields).status_code == 200
    assert amazon.fetched == [CERTIFICATE_URL, url]


@pytest.mark.parametrize(
    "fields",
    [
        {"tamper": "Message"},
        {"tamper": "MessageId"},
        {"tamper": "Timestamp"},
        {"TopicArn": "arn:aws:sns:eu-west-1:999999999999:ses"},
        {"version": "1"},  # SHA-1, where the topic can do better
        {"version": "3"},
        {"Timestamp": "2026-03-30T08:00:30Z"},  # the clock says 09:01
        {"Timestamp": "2026-03-30T10:01:30Z"},
        {"Timestamp": "yesterday"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem"},
        {"SigningCertURL": "http://sns.eu-west-1.amazonaws.com/x.pem"},
        {"SigningCertURL": "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/x"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/x.pem"},
        {"SigningCertURL": "https://sns.eu-west-2.amazonaws.com/SimpleNotificationService-1.pem"},
        {"SigningCertURL": f"{CERTIFICATE_URL}?x=1"},
        {"SigningCertURL": f"{CERTIFICATE_URL}#.pem"},
        {"SigningCertURL": CERTIFICATE_URL.replace(".com/", ".com:443/")},
        {"SigningCertURL": CERTIFICATE_URL.replace("/Simple", "/x/../Simple")},
        {"SigningCertURL": "https://169.254.169.254/x.pem"},
    ],
)
def test_a_notification_not_signed_by_amazon_is_refused(shop: Shop, amazon: Amazon, fields: dict[str, str]) -> None:
    message = ses_message(shop, eventType="Complaint")
    assert amazon.call("Notification", Message=message, **fields).status_code == 401
    assert types(shop) == []
    assert set(amazon.fetched) <= {CERTIFICATE_URL}


@pytest.mark.parametrize(
    ("made", "status"),
    [
        (certificate("sns.amazonaws.com"), 200),
        (certificate("other.example", "sns-signing.eu-west-1.amazonaws.com"), 200),
        (certificate("sns.eu-west-1.amazonaws.com"), 200),
        (certificate("sns.amazonaws.com", ends=-1), 401),  # expired
        (certificate("sns.eu-west-2.amazonaws.com"), 401),
        (certificate("email.amazonaws.com"), 401),
        (certificate(), 401),
        (certificate("sns.amazonaws.com.evil.example"), 401),
        (pem(OWN.certificate), 401),
        (pem(OWN.issue(RSA_KEY.public_key(), ["sns.amazonaws.com"]), OWN.certificate), 401),
        (pem(OWN.issue(RSA_KEY.public_key(), ["sns.amazonaws.com"]), ISSUER.certificate, ROOT.certificate), 401),
        (pem(FOR_CLIENTS, ISSUER.certificate), 401),
        (b"not a certificate", 401),
    ],
)
def test_a_certificate_is_made_out_to_sns_and_valid_now(shop: Shop, amazon: Amazon, made: bytes, status: int) -> None:
    amazon.certificate = made
    answer = amazon.call("Notification", Message=ses_message(shop, eventType="Complaint"))
    assert answer.status_code == status
    assert len(types(shop)) == (status == 200)


@pytest.mark.parametrize(
    ("issuer", "status"),
    [
        (pem(ISSUER.certificate), 200),
        (ISSUER.certificate.public_bytes(Encoding.DER), 200),
        (pem(OWN.certificate), 401),
        (b"<html>", 401),
    ],
)
def test_an_issuer_that_sns_leaves_out_is_fetched_once_from_its_authority(
    shop: Shop, amazon: Amazon, issuer: bytes, status: int
) -> None:
    amazon.certificate = pem(ISSUER.issue(RSA_KEY.public_key(), ["sns.amazonaws.com"]))
    amazon.issuer = issuer
    calls = [amazon.call("Notification", Message=ses_message(shop, eventType="Complaint")) for _ in range(2)]
    assert [call.status_code for call in calls] == [status, status]
    assert amazon.fetched[:2] == [CERTIFICATE_URL, ISSUER_URL]
    assert len(amazon.fetched) == 2 or status == 401


@pytest.mark.parametrize(
    "at", ["", "http://evil.example/a.cer", "http://amazontrust.com.evil.example/a.cer", "http://169.254.169.254/a.cer"]
)
def test_an_issuer_is_fetched_from_no_other_place(shop: Shop, amazon: Amazon, at: str) -> None:
    elsewhere = Authority("elsewhere", ROOT, at=at)
    amazon.certificate = pem(elsewhere.issue(RSA_KEY.public_key(), ["sns.amazonaws.com"]))
    assert amazon.call("Notification", Message=ses_message(shop, eventType="Complaint")).status_code == 401
    assert amazon.fetched == [CERTIFICATE_URL]
    assert types(shop) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=abc",
        f"https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&TopicArn={TOPIC}&Token=abc",
        f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=other",
        f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc&x=1",
        f"https://sns.eu-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc",
        f"https://sns.eu-west-1.amazonaws.com/x?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc",
    ],
)
def test_no_other_address_is_fetched_to_confirm_a_subscription(amazon: Amazon, url: str) -> None:
    fields = {"Message": "You have chosen to subscribe", "Token": "abc"}
    amazon.call("SubscriptionConfirmation", SubscribeURL=url, **fields)
    assert amazon.fetched == [CERTIFICATE_URL]


def test_sha_1_is_taken_only_where_config_yaml_allows_it(shop: Shop) -> None:
    project = shop.workspace.project
    hook = project.settings.webhooks.ses
    assert hook is not None
    hooks = project.settings.webhooks.model_copy(update={"ses": hook.model_copy(update={"allow_sha1": True})})
    project = replace(project, settings=project.settings.model_copy(update={"webhooks": hooks}))
    amazon = Amazon(replace(shop.workspace, project=project))
    try:
        message = ses_message(shop, eventType="Complaint")
        assert amazon.call("Notification", version="1", Message=message).json() == {"stored": 1}
        assert amazon.call("Notification", version="3", Message=message).status_code == 401
    finally:
        amazon.writer.close()


def test_certificates_are_fetched_from_the_public_internet_only() -> None:
    with pytest.raises(OSError, match="private network"):
        asyncio.run(receiver._fetch("http://127.0.0.1:1/cert.pem"))


# Proofs


def _sign_nothing(shop: Shop) -> list[httpx.Response]:
    client, body = shop.client, b'{"a": 1}'
    return [
        client.post("/webhooks/shopify", content=body),
        client.post("/webhooks/shopify", content=body, headers={"X-Shopify-Hmac-Sha256": hmac_of(b"another body")}),
        client.post("/webhooks/woocommerce", content=body, headers={"X-WC-Webhook-Signature": "é".encode().hex()}),
        client.post("/webhooks/twilio", data={"MessageStatus": "delivered"}),
        twilio(shop, "/webhooks/twilio", {"MessageStatus": "delivered"}, secret="another"),
        twilio(shop, "/webhooks/twilio/inbound", {"From": "+4915112345678", "Body": "stop"}, secret="another"),
        client.post("/webhooks/ses", json={}),
        client.post("/webhooks/sendgrid", content=b"[]"),
        sendgrid_call(shop, [], key=ec.generate_private_key(ec.SECP256R1())),
        mailgun_call(shop, {}, secret="another"),
        client.post("/webhooks/mailgun", json={"signature": {"timestamp": "é", "token": 3, "signature": None}}),
        postmark_call(shop, {}, password="another"),
        client.post("/webhooks/postmark", json={}, headers={"Authorization": "Basic ****"}),
    ]


def test_without_a_proof_nothing_is_stored(shop: Shop) -> None:
    assert [answer.status_code for answer in _sign_nothing(shop)] == [401] * 13
    assert types(shop) == []
    assert shop.rows("SELECT count(*) FROM shop_report") == [(0,)]


def test_a_body_that_is_not_json(shop: Shop) -> None:
    answer = shop.client.post(
        "/webhooks/shopify",
        content=b"{",
        headers={"X-Shopify-Hmac-Sha256": hmac_of(b"{"), "X-Shopify-Topic": "orders/paid"},
    )
    assert (answer.status_code, answer.text) == (400, "the body is not JSON\n")
