"""`/u/<token>`: a page with a button, and the POST of RFC 8058. Looking never unsubscribes: scanners look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response

from automation.inbound.bot_detection import TrackedRequest, detect_bot
from automation.store.inbox import responses
from automation.store.inbox.responses import MessageRecipient, Proof
from automation.web.endpoint import Endpoint, operation, read_body
from automation.web.site import Site

LIMIT = 16_384
ONE_CLICK, BUTTON = "one click", "unsubscribe page"
_FORM = {"schema": {"type": "object", "properties": {"List-Unsubscribe": {"type": "string"}}}}


def endpoints(site: Site) -> Iterator[Endpoint]:
    def show(request: Request) -> Response:
        message = _message(site, request)
        if message is None:
            return site.nowhere()
        return site.page("unsubscribe", message, topic=message.topic, channel=message.channel,
                         other=site.link("preferences", "p", message))  # fmt: skip

    async def unsubscribe(request: Request) -> Response:
        """Whatever the form says: a mail program's one click, our button, or a program that sends nothing at all."""
        form = await read_body(request, LIMIT)
        reference = site.read_token("unsubscribe", request.path_params["token"])
        if reference is None:
            return site.nowhere()
        asked = Asked(ONE_CLICK if b"One-Click" in form else BUTTON, request.headers.get("user-agent", ""))
        message = await site.writer.commit(lambda connection: _stop(site, connection, reference.message_id, asked))
        if message is None:
            return site.nowhere()
        return site.page("unsubscribed", message, topic=message.topic, channel=message.channel,
                         other=site.link("preferences", "p", message))  # fmt: skip

    yield Endpoint(
        "/u/{token}",
        {"GET": show, "POST": unsubscribe},
        {
            "GET": operation("A page with a button to unsubscribe; looking at it changes nothing.", token=True,
                             answers={200: "the page", 404: "no such message"}),
            "POST": operation(
                "Unsubscribe from the message's topic (RFC 8058). No cookies, no redirect; any body will do.",
                token=True,
                body={"application/x-www-form-urlencoded": _FORM, "multipart/form-data": _FORM},
                answers={200: "done", 404: "no such message", 408: "the body did not arrive", 413: "too long"},
            ),
        },
    )  # fmt: skip


def _message(site: Site, request: Request) -> MessageRecipient | None:
    reference = site.read_token("unsubscribe", request.path_params["token"])
    if reference is None:
        return None
    with site.workspace.store.reading() as connection:
        return responses.find_recipient(connection, reference.message_id)


@dataclass(frozen=True)
class Asked:
    """How somebody unsubscribed, and with which program: kept, and honoured whatever it is."""

    method: str
    user_agent: str


def _stop(site: Site, connection: Connection, message_id: str, asked: Asked) -> MessageRecipient | None:
    message = responses.find_recipient(connection, message_id)
    if message is None:
        return None
    words = {(message.channel, message.topic): False}
    version, seen = "", {}
    if asked.method == BUTTON:  # one click is a mail program's by its nature
        version = site.pages.text_version("unsubscribe", message.language)
        judged = detect_bot(TrackedRequest("click", "POST", asked.user_agent, None))
        seen = {"client": judged.client, **({"why": judged.why} if judged.is_bot else {})}
    proof = Proof(site.now, "unsubscribe link", asked.method, version)
    responses.record_consents(connection, message, words, proof, client=seen)
    return message
