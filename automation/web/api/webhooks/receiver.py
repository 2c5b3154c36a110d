"""Receives the webhooks of shops and providers. A call whose sender is not proven changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pydantic_core
import structlog
from sqlalchemy.engine import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from automation.config.webhooks import Webhooks
from automation.ids import content_hash
from automation.inbound.provider_reports import ProviderReport, record_report
from automation.inbound.sms_replies import classify_reply, record_sms_reply
from automation.store.inbox import inbox, shop_reports
from automation.store.inbox.inbox import InboxEvent
from automation.store.inbox.webhook_calls import use_up
from automation.types.schema import TableName
from automation.types.text import storable, storable_values
from automation.web.api.webhooks import mailgun, postmark, sendgrid, ses, shopify, sns, twilio, woocommerce
from automation.web.api.webhooks.payload import read_text
from automation.web.endpoint import Endpoint, describe_operation, read_body
from automation.web.group_commit import Overloaded
from automation.web.site import Site

log = structlog.get_logger(__name__)

LIMIT = 2_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNPROVEN = "the signature or password is wrong"
Handler = Callable[[Request, bytes, Webhooks], Awaitable[Response]]


def make_endpoints(site: Site, sns_: sns.Sns | None = None) -> Iterator[Endpoint]:
    """One address for each shop or provider; 404 for those that config.yaml doesn't name."""
    receiver = Receiver(site, sns_ or sns.Sns(_fetch))
    for name in ("shopify", "woocommerce", "twilio", "ses", "sendgrid", "mailgun", "postmark"):
        yield _endpoint(site, name, f"/webhooks/{name}", getattr(receiver, name))
    yield _endpoint(site, "twilio", "/webhooks/twilio/inbound", receiver.twilio_inbound)


def _endpoint(site: Site, name: str, path: str, handle: Handler) -> Endpoint:
    async def answer(request: Request) -> Response:
        webhooks = site.settings.webhooks
        if getattr(webhooks, name) is None:
            return JSONResponse({"error": f"config.yaml has no webhooks.{name}"}, 404)
        try:
            return await handle(request, await read_body(request, LIMIT), webhooks)
        except Overloaded as error:
            return JSONResponse({"error": str(error)}, 503, headers={"Retry-After": "2"})
        except OSError:
            log.exception("the certificate of a webhook's signature can't be fetched", webhook=name)
            return JSONResponse({"error": "the signature can't be checked now"}, 503, headers={"Retry-After": "60"})

    return Endpoint(path, {"POST": answer}, {"POST": _operation(name, path)})


def _operation(name: str, path: str) -> Any:
    return describe_operation(
        "Receive replies to SMS." if path.endswith("/inbound") else f"Receive {name}'s webhooks.",
        body={"application/json": {"schema": {}}, "application/x-www-form-urlencoded": {"schema": {}}},
        answers={
            200: "stored, or nothing to store", 400: "the body has the wrong format", 401: _UNPROVEN,
            404: "config.yaml does not name it", 408: "the body did not arrive in time",
            413: f"the body is longer than {LIMIT:,} bytes", 503: "too busy; retry after Retry-After",
        },
        kind="application/json",
    )  # fmt: skip


class Receiver:
    """One method for each sender: it verifies the call and stores what the call reports."""

    def __init__(self, site: Site, sns_: sns.Sns) -> None:
        self._site = site
        self._sns = sns_

    # Shops

    async def shopify(self, request: Request, body: bytes, webhooks: Webhooks) -> Response:
        assert webhooks.shopify is not None
        secret = webhooks.shopify.secret.get_secret_value()
        _require(shopify.verify_signature(secret, body, _header(request, "x-shopify-hmac-sha256")))
        topic, document = _header(request, "x-shopify-topic"), _parse_json(body)
        if topic in ("checkouts/create", "checkouts/update"):
            return await self._save_events(shopify.parse_checkout(document, self._site.now))
        table = shopify.TABLES.get(topic.partition("/")[0])
        if table is None or topic.endswith("/delete") or not shopify.is_about(table, document):
            return _stored(0)
        return await self._save_report(
            "shopify", table, document, shopify.make_lines(table, document), shopify.find_change(document), body
        )

    async def woocommerce(self, request: Request, body: bytes, webhooks: Webhooks) -> Response:
        assert webhooks.woocommerce is not None
        if body.startswith(b"webhook_id=") and body[11:].isdigit():  # an unsigned ping when the webhook is created
            return _stored(0)
        secret = webhooks.woocommerce.secret.get_secret_value()
        _require(shopify.verify_signature(secret, body, _header(request, "x-wc-webhook-signature")))
        resource, _, event = _header(request, "x-wc-webhook-topic").partition(".")
        table, document = woocommerce.TABLES.get(resource), _parse_json(body)
        if table is None or event == "deleted" or not woocommerce.is_about(table, document):
            return _stored(0)
        return await self._save_report(
            "woocommerce",
            table,
            document,
            woocommerce.make_lines(table, document),
            woocommerce.find_change(document),
            body,
        )

    async def _save_report(
        self,
        preset: str,
        table: TableName,
        document: Any,
        lines: Sequence[Mapping[str, str]],
        changed_at: datetime | None,
        body: bytes,
    ) -> Response:
        """Of several reports about an order, a product or a customer the one with the latest change counts."""
        subject, now = read_text(document, "id") or read_text(document, "email"), self._site.now
        if not lines or not subject:
            return _stored(0)
        call = shop_reports.ShopCall(subject, preset, table, lines, changed_at or _EPOCH, content_hash(body)[:16])
        saved = await self._site.writer.commit(lambda connection: shop_reports.save_report(connection, call, now=now))
        return _stored(len(lines) if saved else 0)

    async def _save_events(self, events: Sequence[InboxEvent]) -> Response:
        if not events:
            return _stored(0)
        now = self._site.now
        return _stored(await self._site.writer.commit(lambda c: inbox.add_events(c, events, now=now)))

    # Message providers

    async def twilio(self, request: Request, body: bytes, webhooks: Webhooks) -> Response:
        form = self._twilio_form(request, body, webhooks)
        return await self._save_reports(list(twilio.parse_reports(form, request.query_params.get("message", ""))))

    async def twilio_inbound(self, request: Request, body: bytes, webhooks: Webhooks) -> Response:
        """STOP and START from customers; Twilio itself answers them."""
        assert webhooks.twilio is not None
        form, channel = self._twilio_form(request, body, webhooks), webhooks.twilio.channel
        number, word, now = form.get("From", ""), classify_reply(form.get("Body", "")), self._site.now
        if number and word is not None:
            key = f"twilio:{form.get('MessageSid', '')[:64]}"

            def record(connection: Connection) -> None:
                """A STOP or START counts once, whenever somebody repeats it."""
                if use_up(connection, key, now=now, valid_for=None):
                    record_sms_reply(connection, number, word, channel=channel, source="twilio", now=now)

            await self._site.writer.commit(record)
        return PlainTextResponse("<Response/>", media_type="text/xml")

    def _twilio_form(self, request: Request, body: bytes, webhooks: Webhooks) -> dict[str, str]:
        assert webhooks.twilio is not None
        try:
            form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200))
        except ValueError:
            raise HTTPException(400, "the body is not a form") from None
        base = self._site.settings.links.base_url
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        url = f"{base.rstrip('/')}{here}" if base else str(request.url)
        token = webhooks.twilio.auth_token.get_secret_value()
        _require(twilio.verify_signature(token, url, form, _header(request, "x-twilio-signature")))
        return {storable(name): storable(value) for name, value in form.items()}

    async def ses(self, _request: Request, body: bytes, webhooks: Webhooks) -> Response:
        assert webhooks.ses is not None
        document = _parse_json(body)
        hook, now = webhooks.ses, self._site.now
        _require(await self._sns.verify_signature(document, hook.topics, now, allow_sha1=hook.allow_sha1))
        if await self._sns.confirm_subscription(document):
            log.info("subscribed to an SNS topic", topic=read_text(document, "TopicArn", longest=300))
            return _stored(0)
        message = _parse_json(read_text(document, "Message", longest=LIMIT).encode())
        return await self._save_reports(list(ses.parse_reports(read_text(document, "MessageId"), message)))

    async def sendgrid(self, request: Request, body: bytes, webhooks: Webhooks) -> Response:
        assert webhooks.sendgrid is not None
        headers = {name.lower(): value for name, value in request.headers.items()}
        _require(sendgrid.verify_signature(webhooks.sendgrid.public_key, headers, body, self._site.now))
        return await self._save_reports(list(sendgrid.parse_reports(_parse_json(body))))

    async def mailgun(self, _request: Request, body: bytes, webhooks: Webhooks) -> Response:
        assert webhooks.mailgun is not None
        document = _parse_json(body)
        key = webhooks.mailgun.signing_key.get_secret_value()
        _require(mailgun.verify_signature(key, document, self._site.now))
        return await self._save_reports(list(mailgun.parse_reports(document)), token=mailgun.find_token(document))

    async def postmark(self, request: Request, body: bytes, webhooks: Webhooks) -> Response:
        assert webhooks.postmark is not None
        password = webhooks.postmark.password.get_secret_value()
        _require(postmark.verify_password(webhooks.postmark.username, password, _header(request, "authorization")))
        return await self._save_reports(list(postmark.parse_reports(_parse_json(body))))

    async def _save_reports(self, reports: Sequence[ProviderReport], *, token: str = "") -> Response:
        """token: what the call may be made with once, whatever it reports."""
        now = self._site.now

        def record(connection: Connection) -> int:
            if token and not use_up(connection, token, now=now, valid_for=2 * mailgun.VALID_FOR):
                return 0
            return sum(record_report(connection, report, now=now) for report in reports)

        return _stored(await self._site.writer.commit(record) if reports or token else 0)


def _require(proven: bool) -> None:
    if not proven:
        raise HTTPException(401, _UNPROVEN)


def _stored(count: int) -> Response:
    return JSONResponse({"stored": count})


def _header(request: Request, name: str) -> str:
    return request.headers.get(name, "")[:1_000]


def _parse_json(body: bytes) -> Any:
    try:
        return storable_values(pydantic_core.from_json(body, allow_inf_nan=False))
    except ValueError:
        raise HTTPException(400, "the body is not JSON") from None


async def _fetch(address: str) -> bytes:
    """Download a URL of Amazon or of an authority, from the public internet only. Raises `OSError`."""
    from automation.http.client import Client, NotSent
    from automation.http.urls import UrlNotAllowed

    client = Client(connections=1, timeout=10, response_timeout=10, public_only=True)
    try:
        response = await client.fetch(address)
    except (NotSent, UrlNotAllowed) as error:
        raise OSError(str(error)) from error
    finally:
        await client.close()
    if response.status != 200 or not response.complete:
        raise OSError(f"status {response.status}")
    return response.body
