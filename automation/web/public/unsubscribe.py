"""`/u/<token>`: a page with an unsubscribe button, and one-click unsubscribe (RFC 8058).

A GET never unsubscribes, since scanners follow every link.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from automation.inbound.bot_detection import TrackedRequest, detect_bot
from automation.store.inbox import responses
from automation.store.inbox.responses import MessageRecipient, Proof
from automation.web.endpoint import Endpoint, describe_operation, read_body
from automation.web.site import Site

LIMIT = 16_384
ONE_CLICK, BUTTON = "one click", "unsubscribe page"
_FORM = {"schema": {"type": "object", "properties": {"List-Unsubscribe": {"type": "string"}}}}


def make_endpoints(site: Site) -> Iterator[Endpoint]:
    def show(request: Request) -> Response:
        message = _find_recipient(site, request)
        return site.show_not_found() if message is None else _show(site, "unsubscribe", message)

    async def unsubscribe(request: Request) -> Response:
        """Whatever the body is: a mail program's one click, our button, or nothing at all."""
        form = await read_body(request, LIMIT)
        reference = site.read_token("unsubscribe", request.path_params["token"])
        if reference is None:
            return site.show_not_found()
        method = await run_in_threadpool(_find_method, site, request, reference.message_id, b"One-Click" in form)
        message = await site.writer.commit(lambda connection: _unsubscribe(connection, reference.message_id, method))
        return site.show_not_found() if message is None else _show(site, "unsubscribed", message)

    described = {
        "GET": describe_operation(
            "Show a page with an unsubscribe button; changes nothing.",
            token=True,
            answers={200: "the page", 404: "not a valid link"},
        ),
        "POST": describe_operation(
            "Unsubscribe from the message's topic (RFC 8058): without cookies or redirects, with any body.",
            token=True,
            body={"application/x-www-form-urlencoded": _FORM, "multipart/form-data": _FORM},
            answers={
                200: "unsubscribed", 404: "not a valid link", 408: "the body did not arrive in time",
                413: "the body is too long",
            },
        ),
    }  # fmt: skip
    yield Endpoint("/u/{token}", {"GET": show, "POST": unsubscribe}, described)


def _show(site: Site, page: str, message: MessageRecipient) -> Response:
    other = site.make_link("preferences", "p", message)
    return site.show_page(page, message, topic=message.topic, channel=message.channel, other=other)


def _find_recipient(site: Site, request: Request) -> MessageRecipient | None:
    reference = site.read_token("unsubscribe", request.path_params["token"])
    if reference is None:
        return None
    with site.workspace.store.reading() as connection:
        return responses.find_recipient(connection, reference.message_id)


@dataclass(frozen=True)
class _Method:
    """How and when somebody unsubscribed, and with which program. It is recorded, and honoured whatever it is."""

    proof: Proof
    client: Mapping[str, str]


def _find_method(site: Site, request: Request, message_id: str, one_click: bool) -> _Method:
    """One click always comes from a mail program; who presses the button saw our page."""
    if one_click:
        return _Method(Proof(site.now, "unsubscribe link", ONE_CLICK), {})
    version = site.text_version("unsubscribe", message_id)
    found = detect_bot(TrackedRequest("click", "POST", request.headers.get("user-agent", ""), None))
    client = {"client": found.client, **({"why": found.why} if found.is_bot else {})}
    return _Method(Proof(site.now, "unsubscribe link", BUTTON, version), client)


def _unsubscribe(connection: Connection, message_id: str, method: _Method) -> MessageRecipient | None:
    message = responses.find_recipient(connection, message_id)
    if message is not None:
        choice = {(message.channel, message.topic): False}
        responses.record_consents(connection, message, choice, method.proof, client=method.client)
    return message
