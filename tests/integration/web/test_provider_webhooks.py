"""Webhooks of message providers on a real server: what each proof lets in, and what follows."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support.web import Shop
from support.webhooks import (
    CERTIFICATE_URL,
    SECRET,
    Amazon,
    hmac_of,
    mailgun,
    mailgun_call,
    postmark,
    postmark_call,
    sendgrid,
    sendgrid_call,
    ses_message,
    suppressed,
    twilio,
    types,
)

from automation.store.people import suppressions
from automation.web.api.webhooks import receiver

Call = Callable[..., httpx.Response]


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
    twilio(shop, "/webhooks/twilio/inbound", {"From": number, "Body": " Stop "})
    assert suppressed(shop, number) == ["unsubscribed"]
    twilio(shop, "/webhooks/twilio/inbound", {"From": number, "Body": "START"})
    assert suppressed(shop, number) == []


def test_start_does_not_lift_what_an_admin_suppressed(shop: Shop) -> None:
    number = "+4915112345678"
    with shop.workspace.store.transaction() as connection:
        suppressions.suppress(
            connection, [number], channel="email", reason="manual", source="test", now=shop.workspace.clock.now()
        )
    twilio(shop, "/webhooks/twilio/inbound", {"From": number, "Body": "START"})
    assert suppressed(shop, number) == ["manual"]


# Amazon


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_bounce_through_ses(shop: Shop, amazon: Amazon, version: str) -> None:
    bounce = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [{"status": "5.1.1"}]}
    message = ses_message(shop, notificationType="Bounce", bounce=bounce)
    assert amazon.call("Notification", version=version, Message=message, Subject="x").json() == {"stored": 1}
    assert amazon.call("Notification", version=version, Message=message).json() == {"stored": 0}
    assert suppressed(shop, shop.messages[0].to) == ["hard_bounce"]
    assert [event["status"] for event in shop.events()] == ["5.1.1"]
    assert amazon.fetched == [CERTIFICATE_URL]  # once


def test_a_subscription_to_our_topic_is_confirmed(amazon: Amazon) -> None:
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=abc"
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
        {"version": "3"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem"},
        {"SigningCertURL": "http://sns.eu-west-1.amazonaws.com/x.pem"},
        {"SigningCertURL": "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/x"},
        {"SigningCertURL": "https://169.254.169.254/x.pem"},
    ],
)
def test_a_notification_not_signed_by_amazon_is_refused(shop: Shop, amazon: Amazon, fields: dict[str, str]) -> None:
    message = ses_message(shop, eventType="Complaint")
    assert amazon.call("Notification", Message=message, **fields).status_code == 401
    assert types(shop) == []
    assert set(amazon.fetched) <= {CERTIFICATE_URL}


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
