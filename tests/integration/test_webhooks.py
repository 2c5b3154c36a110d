"""Webhooks of shops and providers on a real server: what each proof lets in, and what follows."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import polars as pl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from support.web import BASE, KEY, SHOP_CONFIG, Shop, reopened, sent, serving

from automation.inbound.shop_import import import_data
from automation.inbound.shop_reports import import_arrivals
from automation.store.people import consent
from automation.warehouse.importing.mapping import load_mapping
from automation.web.api.webhooks import calls
from automation.web.group_commit import Intake
from automation.web.site import Site
from automation.workspace.workspace import Workspace

SECRET = "a-secret-of-the-shop"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
HOOKS = f"""webhooks:
  shopify: {{secret: "${{HOOK_SECRET}}"}}
  woocommerce: {{secret: "${{HOOK_SECRET}}"}}
  twilio: {{auth_token: "${{HOOK_SECRET}}", channel: email}}
  ses: {{topics: ["{TOPIC}"]}}
  sendgrid: {{public_key: "{
    base64.b64encode(EC_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
}"}}
  mailgun: {{signing_key: "${{HOOK_SECRET}}"}}
  postmark: {{username: pm, password: "${{HOOK_SECRET}}"}}
"""


@pytest.fixture(scope="module")
def sent_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOP_KEY", KEY)
        environment.setenv("HOOK_SECRET", SECRET)
        sent(root, config=SHOP_CONFIG + HOOKS).store.close()
        yield root


@pytest.fixture
def shop(sent_shop: Path, tmp_path: Path) -> Iterator[Shop]:
    with serving(reopened(sent_shop, tmp_path / "copy")) as shop:
        yield shop


def hmac_of(body: bytes, kind: Any = hashlib.sha256) -> str:
    return base64.b64encode(hmac.new(SECRET.encode(), body, kind).digest()).decode()


def suppressed(shop: Shop, address: str) -> list[str]:
    with shop.workspace.store.reading() as connection:
        return [one.reason for one in consent.suppressed(connection, [address], "email").values()]


def types(shop: Shop) -> list[str]:
    return [event["type"] for event in shop.events()]


# Providers


def sendgrid_call(shop: Shop, events: Any, *, key: ec.EllipticCurvePrivateKey = EC_KEY) -> httpx.Response:
    body, stamp = json.dumps(events).encode(), "1772000000"
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(
            key.sign(stamp.encode() + body, ec.ECDSA(SHA256()))
        ).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
    }
    return shop.client.post("/webhooks/sendgrid", content=body, headers=headers)


def sendgrid(shop: Shop, event: str, **more: Any) -> httpx.Response:
    identity = f"<{shop.messages[0].id}@toy.example>"
    return sendgrid_call(shop, [{"event": event, "smtp-id": identity, "sg_event_id": event, **more}])


def mailgun_call(shop: Shop, event: Mapping[str, Any], *, secret: str = SECRET) -> httpx.Response:
    token = "t1"
    stamp = str(int(shop.workspace.clock.now().timestamp()))
    signature = hmac.new(secret.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    signed = {"timestamp": stamp, "token": token, "signature": signature}
    return shop.client.post("/webhooks/mailgun", json={"signature": signed, "event-data": event})


def mailgun(shop: Shop, event: str, **more: Any) -> httpx.Response:
    headers = {"message-id": f"{shop.messages[0].id}@toy.example"}
    return mailgun_call(shop, {"event": event, "message": {"headers": headers}, **more})


def postmark_call(shop: Shop, record: Mapping[str, Any], *, password: str = SECRET) -> httpx.Response:
    return shop.client.post("/webhooks/postmark", json=record, auth=("pm", password))


def postmark(shop: Shop, type_: str, **more: Any) -> httpx.Response:
    return postmark_call(shop, {"RecordType": type_, "Metadata": {"message": shop.messages[0].id}, "ID": 7, **more})


Say = Callable[..., httpx.Response]


@pytest.mark.parametrize(
    ("say", "event", "more", "type_", "reason"),
    [
        (sendgrid, "delivered", {}, "email_delivered", None),
        (sendgrid, "deferred", {}, "email_bounce", None),
        (sendgrid, "bounce", {"type": "bounce", "status": "5.1.1"}, "email_bounce", "hard_bounce"),
        (sendgrid, "bounce", {"type": "blocked"}, "email_bounce", None),
        (sendgrid, "dropped", {"reason": "Bounced Address"}, "email_bounce", "hard_bounce"),
        (sendgrid, "dropped", {"reason": "Spam Content"}, "email_bounce", None),
        (sendgrid, "spamreport", {}, "email_complaint", "complaint"),
        (sendgrid, "open", {"useragent": "Thunderbird 140"}, "email_open", None),
        (sendgrid, "open", {"useragent": "Thunderbird 140", "sg_machine_open": True}, "machine_open", None),
        (sendgrid, "click", {"useragent": "Barracuda Sentinel"}, "machine_click", None),
        (mailgun, "delivered", {}, "email_delivered", None),
        (mailgun, "failed", {"severity": "temporary", "reason": "generic"}, "email_bounce", None),
        (mailgun, "failed", {"severity": "permanent", "reason": "bounce"}, "email_bounce", "hard_bounce"),
        (mailgun, "failed", {"severity": "permanent", "reason": "suppress-complaint"}, "email_bounce", None),
        (mailgun, "complained", {}, "email_complaint", "complaint"),
        (mailgun, "opened", {"client-info": {"user-agent": "Thunderbird 140"}}, "email_open", None),
        (mailgun, "opened", {"client-info": {"user-agent": "Mozilla/5.0", "bot": "apple"}}, "machine_open", None),
        (postmark, "Delivery", {"DeliveredAt": "2026-03-02T10:00:00Z"}, "email_delivered", None),
        (postmark, "Bounce", {"Type": "HardBounce"}, "email_bounce", "hard_bounce"),
        (postmark, "Bounce", {"Type": "Transient"}, "email_bounce", None),
        (postmark, "Bounce", {"Type": "Blocked"}, "email_bounce", None),
        (postmark, "SpamComplaint", {}, "email_complaint", "complaint"),
        (postmark, "Open", {"UserAgent": "Thunderbird 140"}, "email_open", None),
        (postmark, "Click", {"UserAgent": "curl/8"}, "machine_click", None),
    ],
)
def test_what_a_provider_says(
    shop: Shop, say: Say, event: str, more: dict[str, Any], type_: str, reason: str | None
) -> None:
    assert say(shop, event, **more).json() == {"taken": 1}
    assert types(shop) == [type_]
    assert suppressed(shop, shop.messages[0].to) == ([reason] if reason else [])
    assert say(shop, event, **more).json() == {"taken": 0}  # the same call again
    assert types(shop) == [type_]


@pytest.mark.parametrize(
    ("say", "event", "more"),
    [
        (sendgrid, "unsubscribe", {}),
        (mailgun, "unsubscribed", {}),
        (postmark, "SubscriptionChange", {"SuppressSending": True}),
    ],
)
def test_unsubscribing_at_the_provider(shop: Shop, say: Say, event: str, more: dict[str, Any]) -> None:
    before = shop.rows("SELECT count(*) FROM consent WHERE granted")[0][0]
    assert say(shop, event, **more).status_code == 200
    assert shop.rows("SELECT count(*) FROM consent WHERE granted")[0][0] == before - 1
    assert "unsubscribe" in types(shop)


@pytest.mark.parametrize(
    ("say", "event", "more"),
    [(sendgrid, "processed", {}), (mailgun, "accepted", {}), (postmark, "Inbound", {})],
)
def test_other_news_is_taken_note_of_by_nobody(shop: Shop, say: Say, event: str, more: dict[str, Any]) -> None:
    assert say(shop, event, **more).json() == {"taken": 0}
    assert types(shop) == []


def test_a_message_that_is_not_ours(shop: Shop) -> None:
    event = {"event": "spamreport", "smtp-id": f"<{'f' * 32}@toy.example>", "sg_event_id": "x"}
    assert sendgrid_call(shop, [event, {}, None, 3]).json() == {"taken": 0}
    assert types(shop) == []


def test_a_token_of_mailgun_counts_once_whatever_is_said_with_it(shop: Shop) -> None:
    headers = {"message-id": f"{shop.messages[0].id}@toy.example"}
    opened = {"event": "opened", "message": {"headers": headers}, "client-info": {"user-agent": "Thunderbird"}}
    assert mailgun_call(shop, opened).json() == {"taken": 1}
    assert mailgun_call(shop, {"event": "complained", "message": {"headers": headers}}).json() == {"taken": 0}
    assert suppressed(shop, shop.messages[0].to) == []


def test_an_old_token_of_mailgun_is_refused(shop: Shop) -> None:
    stamp = str(int((shop.workspace.clock.now() - timedelta(days=2)).timestamp()))
    signature = hmac.new(SECRET.encode(), f"{stamp}t".encode(), hashlib.sha256).hexdigest()
    signed = {"timestamp": stamp, "token": "t", "signature": signature}
    assert shop.client.post("/webhooks/mailgun", json={"signature": signed, "event-data": {}}).status_code == 401


# Twilio


def twilio(shop: Shop, path: str, form: Mapping[str, str], *, secret: str = SECRET) -> httpx.Response:
    signed = BASE + path + "".join(name + form[name] for name in sorted(form))
    signature = base64.b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha1).digest()).decode()
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    return shop.client.post(path, content=urlencode(form), headers=headers)


@pytest.mark.parametrize(
    ("status", "code", "type_", "reason"),
    [
        ("delivered", "", "sms_delivered", []),
        ("undelivered", "30003", "sms_failed", []),
        ("undelivered", "30005", "sms_failed", ["hard_bounce"]),
    ],
)
def test_what_became_of_an_sms(shop: Shop, status: str, code: str, type_: str, reason: list[str]) -> None:
    path = f"/webhooks/twilio?message={shop.messages[0].id}"
    form = {"MessageSid": "SM1", "MessageStatus": status} | ({"ErrorCode": code} if code else {})
    assert twilio(shop, path, form).json() == {"taken": 1}
    assert twilio(shop, path, form).json() == {"taken": 0}
    assert types(shop) == [type_]
    assert suppressed(shop, shop.messages[0].to) == reason


def test_stop_and_start_by_sms(shop: Shop) -> None:
    number = "+4915112345678"
    assert twilio(shop, "/webhooks/twilio/inbound", {"From": number, "Body": "Is it still on?"}).status_code == 200
    assert suppressed(shop, number) == []
    twilio(shop, "/webhooks/twilio/inbound", {"From": number, "Body": " Stop "})
    assert suppressed(shop, number) == ["unsubscribed"]
    twilio(shop, "/webhooks/twilio/inbound", {"From": number, "Body": "START"})
    assert suppressed(shop, number) == []


def test_start_does_not_lift_what_an_admin_said(shop: Shop) -> None:
    number = "+4915112345678"
    with shop.workspace.store.transaction() as connection:
        consent.suppress(
            connection, [number], channel="email", reason="manual", source="test", now=shop.workspace.clock.now()
        )
    twilio(shop, "/webhooks/twilio/inbound", {"From": number, "Body": "START"})
    assert suppressed(shop, number) == ["manual"]


# Amazon


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)  # noqa: TID251  # a certificate is valid by the real clock
    made = x509.CertificateBuilder(name, name, RSA_KEY.public_key(), 1, now - timedelta(1), now + timedelta(1))
    return made.sign(RSA_KEY, SHA256()).public_bytes(Encoding.PEM)


class Amazon:
    """The app with Amazon's side played here: what it fetched, and what lies there."""

    def __init__(self, workspace: Workspace) -> None:
        self.fetched: list[str] = []
        self.certificate = certificate()
        self.intake = Intake(workspace.store)
        site = Site(lambda: workspace, self.intake)
        routes = [endpoint.route() for endpoint in calls.endpoints(site, self._fetch)]
        self.app = Starlette(routes=routes)

    async def _fetch(self, address: str) -> bytes:
        self.fetched.append(address)
        return self.certificate

    def call(self, type_: str, *, version: str = "2", tamper: str = "", **fields: str) -> httpx.Response:
        document = {
            "Type": type_, "MessageId": "m1", "TopicArn": TOPIC, "Timestamp": "2026-03-02T10:00:00.000Z",
            "SigningCertURL": CERTIFICATE_URL, "SignatureVersion": version, **fields,
        }  # fmt: skip
        names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        if type_ == "Notification":
            names = [name for name in names if name not in ("SubscribeURL", "Token")]
        canonical = "".join(f"{name}\n{document[name]}\n" for name in names if name in document)
        kind = SHA256() if version == "2" else SHA1()  # noqa: S303
        document["Signature"] = base64.b64encode(RSA_KEY.sign(canonical.encode(), PKCS1v15(), kind)).decode()
        if tamper:
            document[tamper] += "x"
        return asyncio.run(self._post(document))

    async def _post(self, document: Mapping[str, str]) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=BASE) as client:
            return await client.post("/webhooks/ses", json=document)


@pytest.fixture
def amazon(shop: Shop) -> Iterator[Amazon]:
    amazon = Amazon(shop.workspace)
    yield amazon
    amazon.intake.close()


def ses_message(shop: Shop, **said: Any) -> str:
    headers = [{"name": "Message-ID", "value": f"<{shop.messages[0].id}@toy.example>"}]
    return json.dumps({"mail": {"headers": headers}, **said})


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_bounce_through_ses(shop: Shop, amazon: Amazon, version: str) -> None:
    bounce = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [{"status": "5.1.1"}]}
    message = ses_message(shop, notificationType="Bounce", bounce=bounce)
    assert amazon.call("Notification", version=version, Message=message, Subject="x").json() == {"taken": 1}
    assert amazon.call("Notification", version=version, Message=message).json() == {"taken": 0}
    assert suppressed(shop, shop.messages[0].to) == ["hard_bounce"]
    assert [event["status"] for event in shop.events()] == ["5.1.1"]
    assert amazon.fetched == [CERTIFICATE_URL]  # once


def test_a_complaint_and_a_full_mailbox_through_ses(shop: Shop, amazon: Amazon) -> None:
    full = ses_message(shop, eventType="Bounce", bounce={"bounceType": "Transient", "bounceSubType": "MailboxFull"})
    assert amazon.call("Notification", Message=full).json() == {"taken": 1}
    assert suppressed(shop, shop.messages[0].to) == []
    complaint = ses_message(shop, eventType="Complaint", complaint={"complaintFeedbackType": "abuse"})
    assert amazon.call("Notification", Message=complaint, MessageId="m2").json() == {"taken": 1}
    assert suppressed(shop, shop.messages[0].to) == ["complaint"]


def test_a_subscription_to_our_topic_is_taken_up(amazon: Amazon) -> None:
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
def test_what_amazon_did_not_sign_is_refused(shop: Shop, amazon: Amazon, fields: dict[str, str]) -> None:
    message = ses_message(shop, eventType="Complaint")
    assert amazon.call("Notification", Message=message, **fields).status_code == 401
    assert types(shop) == []
    assert set(amazon.fetched) <= {CERTIFICATE_URL}


def test_what_amazon_s_proof_needs_is_fetched_from_the_public_internet_only() -> None:
    with pytest.raises(OSError, match="private network"):
        asyncio.run(calls._fetch("http://127.0.0.1:1/cert.pem"))


# Everybody's proof


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


def test_without_a_proof_nothing_is_taken(shop: Shop) -> None:
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


# Shops


def shopify(shop: Shop, topic: str, document: Any, *, key: str = "1") -> httpx.Response:
    body = json.dumps(document).encode()
    headers = {"X-Shopify-Topic": topic, "X-Shopify-Hmac-Sha256": hmac_of(body), "X-Shopify-Webhook-Id": key}
    return shop.client.post("/webhooks/shopify", content=body, headers=headers)


def woocommerce(shop: Shop, topic: str, document: Any, *, key: str = "1") -> httpx.Response:
    body = json.dumps(document).encode()
    headers = {"X-WC-Webhook-Topic": topic, "X-WC-Webhook-Signature": hmac_of(body), "X-WC-Webhook-Delivery-ID": key}
    return shop.client.post("/webhooks/woocommerce", content=body, headers=headers)


def table(shop: Shop, name: str) -> pl.DataFrame:
    """What the warehouse holds once everything that waits is imported."""
    import_arrivals(shop.workspace)
    warehouse = shop.workspace.warehouse()
    try:
        data = warehouse.snapshot(shop.workspace.clock.now() + timedelta(days=3650))
        found = getattr(data, name).to_polars()
    finally:
        warehouse.close()
    assert isinstance(found, pl.DataFrame)
    return found


ORDER = {
    "id": 1, "name": "#1001", "email": "Ana@Example.org", "financial_status": "paid", "currency": "EUR",
    "created_at": "2026-02-20T10:00:00+01:00", "cancelled_at": None,
    "line_items": [
        {"sku": "p1", "name": "Tea", "quantity": 2, "price": "4.50", "discount_allocations": [{"amount": "1.00"}]},
        {"sku": "p2", "name": "Pot", "quantity": 1, "price": "20.00", "discount_allocations": []},
    ],
}  # fmt: skip


def test_an_order_of_shopify(shop: Shop) -> None:
    assert shopify(shop, "orders/paid", ORDER).json() == {"taken": 2}
    assert shopify(shop, "orders/paid", ORDER).json() == {"taken": 2}  # the same call again
    assert shopify(shop, "orders/updated", ORDER, key="2").json() == {"taken": 2}  # the same order in another call
    bought = table(shop, "events").filter(pl.col("order_id") == "#1001").sort("product_id")
    assert bought.select("customer_id", "type", "product_id", "quantity", "amount").rows() == [
        ("ana@example.org", "purchase", "p1", 2.0, 8.0),
        ("ana@example.org", "purchase", "p2", 1.0, 20.0),
    ]
    assert bought["occurred_at"].unique().to_list() == [datetime(2026, 2, 20, 9, tzinfo=UTC)]
    assert shop.rows("SELECT count(*) FROM shop_report") == [(0,)]


def test_an_order_that_came_by_webhook_is_known_to_the_export(shop: Shop, tmp_path: Path) -> None:
    shopify(shop, "orders/paid", ORDER)
    import_arrivals(shop.workspace)
    columns = {
        "Created at": "2026-02-20 10:00:00 +0100",
        "Email": "ana@example.org",
        "Name": "#1001",
        "Cancelled at": "",
    }
    lines = [
        {**columns, "Financial Status": "paid", "Currency": "EUR", "Phone": "", "Lineitem sku": sku,
         "Lineitem name": name, "Lineitem quantity": n, "Lineitem price": price, "Lineitem discount": discount}
        for sku, name, n, price, discount in (("p1", "Tea", 2, "4.50", "1.00"), ("p2", "Pot", 1, "20.00", "0.00"))
    ]  # fmt: skip
    path = tmp_path / "orders_export.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    report = import_data(shop.workspace, "events", [path], load_mapping("shopify"))
    assert (report.added, report.quarantined) == (0, 0)


def test_a_checkout_of_shopify_is_a_cart(shop: Shop) -> None:
    checkout = {
        "token": "c1", "email": "Ana@Example.org", "updated_at": "2026-02-20T10:00:00Z", "currency": "EUR",
        "line_items": [{"sku": "p1", "quantity": 1, "price": "4.50"}],
    }  # fmt: skip
    assert shopify(shop, "checkouts/create", checkout).json() == {"taken": 1}
    assert shopify(shop, "checkouts/update", checkout, key="2").json() == {"taken": 0}
    checkout["line_items"] = [{"sku": "p1", "quantity": 2, "price": "4.50"}]
    assert shopify(shop, "checkouts/update", checkout, key="3").json() == {"taken": 1}
    assert [(e["type"], e["customer_id"], e["product_id"], e["quantity"]) for e in shop.events()] == [
        ("add_to_cart", "ana@example.org", "p1", 1.0),
        ("add_to_cart", "ana@example.org", "p1", 2.0),
    ]
    assert shopify(shop, "checkouts/create", {**checkout, "email": None}, key="4").json() == {"taken": 0}


def test_a_product_and_a_customer_of_shopify(shop: Shop) -> None:
    product = {
        "id": 9, "handle": "oolong", "title": "Oolong", "vendor": "Leaf", "product_type": "tea", "status": "active",
        "images": [{"id": 5, "src": "https://cdn.example/5.jpg"}], "image": {"src": "https://cdn.example/1.jpg"},
        "variants": [{"sku": "t9", "price": "9.90", "inventory_quantity": 3, "image_id": 5, "option1": "100 g"}],
    }  # fmt: skip
    customer = {
        "id": 77, "email": "Mia@Example.org", "first_name": "Mia", "last_name": "Berg", "tags": "vip",
        "orders_count": 2, "total_spent": "51.00", "default_address": {"city": "Kiel", "zip": "01067"},
        "email_marketing_consent": {"state": "subscribed"},
    }  # fmt: skip
    assert shopify(shop, "products/create", product).json() == {"taken": 1}
    assert shopify(shop, "customers/create", customer, key="2").json() == {"taken": 1}
    (row,) = table(shop, "products").filter(pl.col("product_id") == "t9").to_dicts()
    assert (row["name"], row["price"], row["stock"], row["image_url"]) == (
        "Oolong",
        9.9,
        3,
        "https://cdn.example/5.jpg",
    )
    (row,) = table(shop, "customers").filter(pl.col("customer_id") == "mia@example.org").to_dicts()
    assert (row["first_name"], row["postcode"]) == ("Mia", "01067")
    granted = shop.rows("SELECT topic, granted, source FROM consent WHERE customer_id = 'mia@example.org'")
    assert ("promotions", 1, "Shopify customer export") in granted
    shopify(shop, "customers/update", {**customer, "email_marketing_consent": {"state": "unsubscribed"}}, key="3")
    import_arrivals(shop.workspace)
    granted = shop.rows("SELECT topic, granted, source FROM consent WHERE customer_id = 'mia@example.org'")
    assert ("promotions", 0, "Shopify customer export") in granted


def test_woocommerce(shop: Shop) -> None:
    assert shop.client.post("/webhooks/woocommerce", content=b"webhook_id=5").json() == {"taken": 0}
    order = {
        "id": 501, "number": "501", "status": "processing", "date_created_gmt": "2026-02-20T09:00:00",
        "billing": {"email": "Ben@Example.org"},
        "line_items": [{"sku": "p3", "name": "Cup", "quantity": 3, "price": 2.5}],
    }  # fmt: skip
    product = {
        "id": 9, "type": "simple", "sku": "w1", "name": "Whisk", "status": "publish", "regular_price": "12.00",
        "sale_price": "", "stock_quantity": 4, "categories": [{"name": "tools"}], "images": [{"src": "https://x.example/a"}],
    }  # fmt: skip
    customer = {
        "id": 4,
        "email": "Ben@Example.org",
        "username": "ben",
        "first_name": "Ben",
        "last_name": "Ek",
        "billing": {},
    }
    assert woocommerce(shop, "order.updated", order).json() == {"taken": 1}
    assert woocommerce(shop, "product.updated", product, key="2").json() == {"taken": 1}
    assert woocommerce(shop, "customer.created", customer, key="3").json() == {"taken": 1}
    assert woocommerce(shop, "coupon.created", {}, key="4").json() == {"taken": 0}
    assert woocommerce(shop, "order.deleted", {"id": 1}, key="5").json() == {"taken": 0}
    (bought,) = table(shop, "events").filter(pl.col("order_id") == "501").to_dicts()
    assert (bought["customer_id"], bought["product_id"], bought["amount"]) == ("ben@example.org", "p3", 7.5)
    assert bought["occurred_at"] == datetime(2026, 2, 20, 9, tzinfo=UTC)
    assert table(shop, "products").filter(pl.col("product_id") == "w1")["price"].to_list() == [12.0]
    assert table(shop, "customers").filter(pl.col("customer_id") == "ben@example.org")["first_name"].to_list() == [
        "Ben"
    ]


def test_what_is_not_set_up_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", KEY)
    with serving(sent(tmp_path)) as shop:
        answers = [shop.client.post(f"/webhooks/{name}") for name in ("shopify", "ses", "twilio", "twilio/inbound")]
        assert [answer.status_code for answer in answers] == [404] * 4
