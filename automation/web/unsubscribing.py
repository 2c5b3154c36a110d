"""`/u/<token>`: a page with a button, and the POST of RFC 8058. Looking never unsubscribes: scanners look."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response

from automation.store import feedback
from automation.store.feedback import Answered
from automation.web.endpoint import Endpoint, operation, read_body
from automation.web.site import Site

LIMIT = 16_384
ONE_CLICK = "one click"
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
        method = ONE_CLICK if b"One-Click" in form else "unsubscribe page"
        message = await site.intake.commit(lambda connection: _stop(site, connection, reference.message_id, method))
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


def _message(site: Site, request: Request) -> Answered | None:
    reference = site.read_token("unsubscribe", request.path_params["token"])
    if reference is None:
        return None
    with site.workspace.store.reading() as connection:
        return feedback.answered(connection, reference.message_id)


def _stop(site: Site, connection: Connection, message_id: str, method: str) -> Answered | None:
    message = feedback.answered(connection, message_id)
    if message is not None:
        words = {(message.channel, message.topic): False}
        version = site.pages.text_version("unsubscribe", message.language) if method != ONE_CLICK else ""
        feedback.speak(
            connection, message, words, at=site.now, source="unsubscribe link", method=method, text_version=version
        )
    return message
