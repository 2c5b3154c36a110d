"""The addresses that shops and providers call. A call that can't prove whose it is changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import pydantic_core
import structlog
from sqlalchemy.engine import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from automation.config.webhooks import Webhooks
from automation.inbound.provider_reports import Said, take, text
from automation.store.inbox import inbox, shop_reports
from automation.store.inbox.inbox import InboxEvent
from automation.store.people import suppressions
from automation.types.keywords import opt_in, opt_out
from automation.types.schema import TableName
from automation.web.api.webhooks import mailgun, postmark, sendgrid, ses, shopify, twilio, woocommerce
from automation.web.endpoint import Endpoint, operation, read_body
from automation.web.group_commit import Overloaded
from automation.web.site import Site

log = structlog.get_logger(__name__)

LIMIT = 2_000_000
_NO = "signed by nobody we know, or not for us"
Call = Callable[[Request, bytes, Webhooks], Awaitable[Response]]


def endpoints(site: Site, fetch: ses.Fetch | None = None) -> Iterator[Endpoint]:
    """One address a shop or provider; 404 for those that config.yaml doesn't name."""
    calls = Calls(site, ses.Sns(fetch or _fetch))
    for name in ("shopify", "woocommerce", "twilio", "ses", "sendgrid", "mailgun", "postmark"):
        yield _endpoint(site, name, f"/webhooks/{name}", getattr(calls, name))
    yield _endpoint(site, "twilio", "/webhooks/twilio/inbound", calls.twilio_inbound)


def _endpoint(site: Site, name: str, path: str, call: Call) -> Endpoint:
    async def answer(request: Request) -> Response:
        hooks = site.settings.webhooks
        if getattr(hooks, name) is None:
            return JSONResponse({"error": "not set up"}, 404)
        try:
            return await call(request, await read_body(request, LIMIT), hooks)
        except Overloaded as error:
            return JSONResponse({"error": str(error)}, 503, headers={"Retry-After": "2"})
        except OSError:
            log.exception("what a webhook's proof needs can't be fetched", webhook=name)
            return JSONResponse({"error": "its signature can't be checked now"}, 503, headers={"Retry-After": "60"})

    return Endpoint(path, {"POST": answer}, {"POST": _operation(name)})


def _operation(name: str) -> Any:
    return operation(
        f"What {name} reports.",
        body={"application/json": {"schema": {}}, "application/x-www-form-urlencoded": {"schema": {}}},
        answers={
            200: "durable, or of no use to us", 400: "not what it should be", 401: _NO, 404: "not set up",
            408: "the body did not arrive", 413: f"longer than {LIMIT:,} bytes", 503: "come back after Retry-After",
        },
        kind="application/json",
    )  # fmt: skip


class Calls:
    """What each caller's proof is, and what its calls mean."""

    def __init__(self, site: Site, sns: ses.Sns) -> None:
        self._site = site
        self._sns = sns

    # Shops

    async def shopify(self, request: Request, body: bytes, hooks: Webhooks) -> Response:
        assert hooks.shopify is not None
        _prove(
            shopify.genuine(hooks.shopify.secret.get_secret_value(), body, _header(request, "x-shopify-hmac-sha256"))
        )
        topic, document = _header(request, "x-shopify-topic"), _json(body)
        if topic in ("checkouts/create", "checkouts/update"):
            return await self._keep_events(shopify.carts(document))
        table = shopify.TABLES.get(topic.partition("/")[0])
        if table is None or topic.endswith("/delete"):
            return _taken(0)
        return await self._keep_lines("shopify", table, document, shopify.lines(table, document))

    async def woocommerce(self, request: Request, body: bytes, hooks: Webhooks) -> Response:
        assert hooks.woocommerce is not None
        if body.startswith(b"webhook_id=") and body[11:].isdigit():  # asked once, unsigned, whether anybody is here
            return _taken(0)
        secret = hooks.woocommerce.secret.get_secret_value()
        _prove(shopify.genuine(secret, body, _header(request, "x-wc-webhook-signature")))
        resource, _, event = _header(request, "x-wc-webhook-topic").partition(".")
        table, document = woocommerce.TABLES.get(resource), _json(body)
        if table is None or event == "deleted":
            return _taken(0)
        return await self._keep_lines("woocommerce", table, document, woocommerce.lines(table, document))

    async def _keep_lines(
        self, preset: str, table: TableName, document: Any, lines: Sequence[Mapping[str, str]]
    ) -> Response:
        """Of an order, product or customer that is reported several times before the next import the last counts."""
        about, now = text(document, "id") or text(document, "email"), self._site.now
        if lines and about:
            await self._site.intake.commit(lambda c: shop_reports.save_report(c, about, preset, table, lines, now=now))
        return _taken(len(lines) if about else 0)

    async def _keep_events(self, events: Sequence[InboxEvent]) -> Response:
        now = self._site.now
        return _taken(await self._site.intake.commit(lambda c: inbox.add_events(c, events, now=now)) if events else 0)

    # Providers of messages

    async def twilio(self, request: Request, body: bytes, hooks: Webhooks) -> Response:
        form = self._twilio_form(request, body, hooks)
        return await self._keep("twilio", "sms", list(twilio.reports(form, request.query_params.get("message", ""))))

    async def twilio_inbound(self, request: Request, body: bytes, hooks: Webhooks) -> Response:
        """STOP and START, which hold for the number whoever's it is. Twilio itself answers the customer."""
        assert hooks.twilio is not None
        form, channel = self._twilio_form(request, body, hooks), hooks.twilio.channel
        number, said = form.get("From", ""), form.get("Body", "")
        now = self._site.now

        def settle(connection: Connection) -> None:
            if opt_out(said):
                suppressions.suppress(
                    connection, [number], channel=channel, reason="unsubscribed", source="twilio", now=now
                )
            elif opt_in(said):
                _welcome_back(connection, number, channel)

        if number:
            await self._site.intake.commit(settle)
        return PlainTextResponse("<Response/>", media_type="text/xml")

    def _twilio_form(self, request: Request, body: bytes, hooks: Webhooks) -> dict[str, str]:
        assert hooks.twilio is not None
        try:
            form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200))
        except ValueError:
            raise HTTPException(400, "the body is not a form") from None
        base = self._site.settings.links.base_url
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        url = f"{base.rstrip('/')}{here}" if base else str(request.url)
        token = hooks.twilio.auth_token.get_secret_value()
        _prove(twilio.genuine(token, url, form, _header(request, "x-twilio-signature")))
        return form

    async def ses(self, _request: Request, body: bytes, hooks: Webhooks) -> Response:
        assert hooks.ses is not None
        document = _json(body)
        _prove(await self._sns.genuine(document, hooks.ses.topics))
        if await self._sns.confirm(document):
            log.info("subscribed to SNS", topic=text(document, "TopicArn", longest=300))
            return _taken(0)
        said = list(ses.reports(text(document, "MessageId"), _json(text(document, "Message", longest=LIMIT).encode())))
        return await self._keep("ses", "email", said)

    async def sendgrid(self, request: Request, body: bytes, hooks: Webhooks) -> Response:
        assert hooks.sendgrid is not None
        headers = {name.lower(): value for name, value in request.headers.items()}
        _prove(sendgrid.genuine(hooks.sendgrid.public_key, headers, body))
        return await self._keep("sendgrid", "email", list(sendgrid.reports(_json(body))))

    async def mailgun(self, _request: Request, body: bytes, hooks: Webhooks) -> Response:
        assert hooks.mailgun is not None
        document = _json(body)
        _prove(mailgun.genuine(hooks.mailgun.signing_key.get_secret_value(), document, self._site.now))
        return await self._keep("mailgun", "email", list(mailgun.reports(document)))

    async def postmark(self, request: Request, body: bytes, hooks: Webhooks) -> Response:
        assert hooks.postmark is not None
        password = hooks.postmark.password.get_secret_value()
        _prove(postmark.genuine(hooks.postmark.username, password, _header(request, "authorization")))
        return await self._keep("postmark", "email", list(postmark.reports(_json(body))))

    async def _keep(self, provider: str, medium: str, said: Sequence[Said]) -> Response:
        now = self._site.now

        def settle(connection: Connection) -> int:
            return sum(take(connection, provider, medium, one, now) for one in said)

        return _taken(await self._site.intake.commit(settle) if said else 0)


def _welcome_back(connection: Connection, number: str, channel: str) -> None:
    """Lift only what the customer said, not what an admin or a bounce did."""
    found = suppressions.suppressed(connection, [number], channel)
    if any(one.reason in suppressions.OWNER_REASONS for one in found.values()):
        suppressions.unsuppress(connection, number, channel=channel)


def _prove(genuine: bool) -> None:
    if not genuine:
        raise HTTPException(401, _NO)


def _taken(count: int) -> Response:
    return JSONResponse({"taken": count})


def _header(request: Request, name: str) -> str:
    return request.headers.get(name, "")[:1_000]


def _json(body: bytes) -> Any:
    try:
        return pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError:
        raise HTTPException(400, "the body is not JSON") from None


async def _fetch(address: str) -> bytes:
    """What lies at an address of Amazon, over TLS and from the public internet only. Raises `OSError`."""
    from automation.http.client import Client, NotSent
    from automation.http.reach import NotAllowed

    client = Client(connections=1, timeout=10, answer_timeout=10, public_only=True)
    try:
        answer = await client.fetch(address)
    except (NotSent, NotAllowed) as error:
        raise OSError(str(error)) from error
    finally:
        await client.close()
    if answer.status != 200 or not answer.whole:
        raise OSError(f"status {answer.status}")
    return answer.body
