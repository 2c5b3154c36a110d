"""No injection: a customer's data arrives unchanged in its own field, and nowhere else."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from automation.http.client import Request
from automation.http.sending import Undeliverable
from automation.testing.channel import example_messages
from automation.types.message import Rendered
from automation.types.secret import Secret
from automation_push.web_push import WebPushChannel, WebPushOptions
from automation_sms.http_sms import HttpSmsChannel, HttpSmsOptions
from automation_sms.twilio import TwilioChannel, TwilioOptions
from automation_webhook.webhook import WebhookChannel, WebhookOptions

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80) | st.sampled_from(
    [
        '"}, "to": "+49666"',
        "&To=+49666",
        "{to}{id}{key}",
        "\\u0000",
        "a\r\nX-Admin: 1",
        "%26To%3D1",
        "{{ 1 }}",
        "${KEY}",
    ]
)
IDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=40)
(MESSAGE,) = example_messages("+4930123456", 1)
BROWSER = ec.generate_private_key(ec.SECP256R1())


def plain(request: Request) -> None:
    """Assert that URL and headers are single lines of ASCII."""
    for text in (request.url, *request.headers, *request.headers.values()):
        assert text.isascii()
        assert text.isprintable()


@given(TEXTS)
def test_twilio(text: str) -> None:
    channel = TwilioChannel(TwilioOptions(account_sid="AC1", auth_token=Secret("x"), sender="Toy", max_segments=255))
    if not text.strip():
        return
    request = channel._build_request(replace(MESSAGE, text=text))
    plain(request)
    form = parse_qs(request.body.decode("ascii"), keep_blank_values=True)
    assert form == {"To": ["+4930123456"], "Body": [text.strip()], "From": ["Toy"]}


@given(TEXTS, TEXTS)
def test_http_sms(text: str, sender: str) -> None:
    options = HttpSmsOptions(
        url="https://sms.example/{from}/x?to={to}&k={key}",
        json_body={"to": "{to}", "text": "{text}", "both": "{from}|{text}", "n": [1, None]},
        secrets={"key": Secret('s&"x')},
        sender=sender,
        max_segments=255,
    )
    if not text.strip():
        return
    request = HttpSmsChannel(options)._build_request(replace(MESSAGE, text=text))
    plain(request)
    said = text.strip()
    assert json.loads(request.body) == {"to": "+4930123456", "text": said, "both": f"{sender}|{said}", "n": [1, None]}
    parts = urlsplit(request.url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "sms.example", "")
    assert parts.path.count("/") == 2
    assert parse_qs(parts.query) == {"to": ["+4930123456"], "k": ['s&"x']}


@given(TEXTS, IDS)
def test_webhook(text: str, customer: str) -> None:
    secret = Secret("whsec_" + base64.b64encode(bytes(32)).decode())
    channel = WebhookChannel(WebhookOptions(url="https://hook.example/", secret=secret))
    request = channel._build_request(replace(MESSAGE, to=customer, text=text, subject=text[:20]))
    plain(request)
    data = json.loads(request.body)["data"]
    assert (data["customer_id"], data["text"], data["subject"]) == (customer, text, text[:20])
    assert set(data) == {"message_id", "customer_id", "channel", "language", "subject", "text"}


@given(TEXTS)
def test_web_push(text: str) -> None:
    channel = WebPushChannel(
        WebPushOptions(
            private_key=Secret(base64.urlsafe_b64encode(bytes([1] * 32)).decode()), contact="mailto:a@b.example"
        )
    )
    point = BROWSER.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    keys = {"p256dh": base64.urlsafe_b64encode(point).decode(), "auth": base64.urlsafe_b64encode(bytes(16)).decode()}
    to = json.dumps({"endpoint": "https://push.example/1", "keys": keys})
    request = channel._build_request(replace(MESSAGE, to=to, text=f"{text}\nend", subject="x"))
    plain(request)
    said = json.loads(http_ece.decrypt(request.body, private_key=BROWSER, auth_secret=bytes(16), version="aes128gcm"))
    assert set(said) == {"id", "title", "body", "url"}
    assert said["body"].split() == [*text.split(), "end"]


@given(
    st.text(max_size=300)
    | st.recursive(st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(json.dumps)
)
def test_any_address_is_accepted_or_undeliverable(address: str) -> None:
    """A push token is a customer's data: an invalid one raises `Undeliverable` and nothing else."""
    made = WebPushChannel(
        WebPushOptions(
            private_key=Secret(base64.urlsafe_b64encode(bytes([1] * 32)).decode()), contact="mailto:a@b.example"
        )
    )
    sms = HttpSmsChannel(HttpSmsOptions(url="https://x.example", form={"to": "{to}"}, region="DE"))
    message: Rendered = replace(MESSAGE, to=address)
    for channel in (made, sms):
        with suppress(Undeliverable):
            plain(channel._build_request(message))
