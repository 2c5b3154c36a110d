"""Calls of shops and providers to the webhooks, each with its proof."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette

from automation.store.people import suppressions
from automation.web.api.webhooks import receiver
from automation.web.api.webhooks.sns import Sns
from automation.web.group_commit import GroupCommit
from automation.web.site import Site
from automation.workspace.workspace import Workspace
from support.authority import Authority
from support.web import BASE, Shop

SECRET = "a-secret-of-the-shop"
MAILBOX = "mailbox: {maildir: var/bounces}\n"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER_URL = "http://crt.r2m01.amazontrust.com/r2m01.cer"
ROOT = Authority("root")
ISSUER = Authority("issuer", ROOT, at=ISSUER_URL)
WEBHOOKS = f"""webhooks:
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


def hmac_of(body: bytes, kind: Any = hashlib.sha256) -> str:
    return base64.b64encode(hmac.new(SECRET.encode(), body, kind).digest()).decode()


def suppressed(shop: Shop, address: str) -> list[str]:
    with shop.workspace.store.reading() as connection:
        return [row.reason for row in suppressions.suppressed(connection, [address], "email").values()]


def types(shop: Shop) -> list[str]:
    return [event["type"] for event in shop.events()]


def sendgrid_call(shop: Shop, events: Any, *, key: ec.EllipticCurvePrivateKey = EC_KEY, at: str = "") -> httpx.Response:
    body, stamp = json.dumps(events).encode(), at or str(int(shop.workspace.clock.now().timestamp()))
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


def mailgun_call(shop: Shop, event: Mapping[str, Any], *, secret: str = SECRET, number: int = 1) -> httpx.Response:
    """number: of the token, which each call of Mailgun's has anew."""
    token = f"t{number}"
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


def twilio(shop: Shop, path: str, form: Mapping[str, str], *, secret: str = SECRET) -> httpx.Response:
    signed = BASE + path + "".join(name + form[name] for name in sorted(form))
    signature = base64.b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha1).digest()).decode()
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    return shop.client.post(path, content=urlencode(form), headers=headers)


def twilio_status(shop: Shop, status: str, code: str = "") -> httpx.Response:
    form = {"MessageSid": "SM1", "MessageStatus": status} | ({"ErrorCode": code} if code else {})
    return twilio(shop, f"/webhooks/twilio?message={shop.messages[0].id}", form)


def pem(*chain: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in chain)


def certificate(*names: str, ends: int = 1) -> bytes:
    """What SNS signs with, made out to these host names, and its issuer. ends: days after the toy shop's clock."""
    return pem(ISSUER.issue(RSA_KEY.public_key(), names, ends=ends), ISSUER.certificate)


class Amazon:
    """The app with Amazon's side played here: what it fetched, and what lies there."""

    def __init__(self, workspace: Workspace) -> None:
        self.fetched: list[str] = []
        self.certificate = certificate("sns.amazonaws.com")
        self.issuer = b""
        self._now = workspace.clock.now
        self.writer = GroupCommit(workspace.store)
        site = Site(lambda: workspace, self.writer)
        sns_ = Sns(self._fetch, lambda: [ROOT.certificate])
        routes = [endpoint.make_route() for endpoint in receiver.make_endpoints(site, sns_)]
        self.app = Starlette(routes=routes)

    async def _fetch(self, address: str) -> bytes:
        self.fetched.append(address)
        return self.certificate if "amazonaws" in address else self.issuer

    def call(self, type_: str, *, version: str = "2", tamper: str = "", **fields: str) -> httpx.Response:
        document = {
            "Type": type_, "MessageId": "m1", "TopicArn": TOPIC, "Timestamp": self._now().isoformat(),
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


def ses_message(shop: Shop, **said: Any) -> str:
    headers = [{"name": "Message-ID", "value": f"<{shop.messages[0].id}@toy.example>"}]
    return json.dumps({"mail": {"headers": headers}, **said})


def shopify(shop: Shop, topic: str, document: Any, *, key: str = "1") -> httpx.Response:
    body = json.dumps(document).encode()
    headers = {"X-Shopify-Topic": topic, "X-Shopify-Hmac-Sha256": hmac_of(body), "X-Shopify-Webhook-Id": key}
    return shop.client.post("/webhooks/shopify", content=body, headers=headers)


def woocommerce(shop: Shop, topic: str, document: Any, *, key: str = "1") -> httpx.Response:
    body = json.dumps(document).encode()
    headers = {"X-WC-Webhook-Topic": topic, "X-WC-Webhook-Signature": hmac_of(body), "X-WC-Webhook-Delivery-ID": key}
    return shop.client.post("/webhooks/woocommerce", content=body, headers=headers)
