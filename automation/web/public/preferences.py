"""`/p/<token>`: what a recipient gets, by channel and topic, as boxes to tick."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs

from sqlalchemy.engine import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from automation.store.inbox import responses
from automation.store.inbox.responses import MessageRecipient, Proof
from automation.store.people import consent
from automation.web.endpoint import Endpoint, operation, read_body
from automation.web.site import Site

LIMIT = 65_536
_MOST_FIELDS = 1_000
_VALUES = {"type": "array", "items": {"type": "string"}}
_FORM = {"schema": {"type": "object", "properties": {"shown": _VALUES, "yes": _VALUES, "nothing": {"type": "string"}}}}

Choices = Mapping[tuple[str, str], bool]
"""(channel, topic) → whether it is wanted now."""


def endpoints(site: Site) -> Iterator[Endpoint]:
    def show(request: Request) -> Response:
        message_id = _message_id(site, request)
        if message_id is None:
            return site.nowhere()
        with site.workspace.store.reading() as connection:
            message = responses.find_recipient(connection, message_id)
            choices = {} if message is None else _choices(site, connection, message)
        return site.nowhere() if message is None else _page(site, message, choices)

    async def save(request: Request) -> Response:
        form = _parsed(await read_body(request, LIMIT))
        message_id = _message_id(site, request)
        if message_id is None:
            return site.nowhere()
        saved = await site.writer.commit(lambda connection: _save(site, connection, message_id, form))
        return site.nowhere() if saved is None else _page(site, *saved, saved=True)

    yield Endpoint(
        "/p/{token}",
        {"GET": show, "POST": save},
        {
            "GET": operation("The preference centre: what the recipient gets, by channel and topic.", token=True,
                             answers={200: "the page", 404: "no such message"}),
            "POST": operation(
                "Save what was ticked: of the boxes in `shown` those in `yes`; `nothing` unticks marketing.",
                token=True,
                body={"application/x-www-form-urlencoded": _FORM},
                answers={200: "saved; the page as it is now", 400: "not a form", 404: "no such message",
                         408: "the body did not arrive", 413: "too long"},
            ),
        },
    )  # fmt: skip


def _message_id(site: Site, request: Request) -> str | None:
    reference = site.read_token("preferences", request.path_params["token"])
    return reference.message_id if reference else None


def _page(site: Site, message: MessageRecipient, choices: Choices, *, saved: bool = False) -> Response:
    rows = tuple(
        {"value": f"{channel}.{topic}", "topic": topic, "channel": channel, "checked": wanted}
        for (channel, topic), wanted in choices.items()
    )
    return site.page("preferences", message, choices=rows, saved=saved)


def _choices(site: Site, connection: Connection, message: MessageRecipient) -> Choices:
    """Every topic on the message's own channel; on other channels what the customer ever said a word about.

    An address on another channel is not proven by this link, so nothing new can be begun there.
    """
    settings = site.settings
    words = responses.latest_consents(connection, message.customer_id)
    offered = [(message.channel, topic) for topic in settings.topics]
    offered += [word for word in words if word[0] != message.channel and word[0] in settings.channels]
    choices = {}
    for channel, topic in offered:
        if topic in settings.topics:
            choices[channel, topic] = words.get((channel, topic), settings.topics[topic] == "service") and not (
                channel == message.channel and consent.suppressed(connection, [message.address], channel, topic)
            )
    return choices


def _save(
    site: Site, connection: Connection, message_id: str, form: Mapping[str, list[str]]
) -> tuple[MessageRecipient, Choices] | None:
    message = responses.find_recipient(connection, message_id)
    if message is None:
        return None
    before = _choices(site, connection, message)
    version = site.pages.text_version("preferences", message.language)
    proof = Proof(site.now, "preference centre", "preference centre", version)
    responses.record_consents(connection, message, _words(site, before, form), proof)
    return message, _choices(site, connection, message)


def _words(site: Site, before: Choices, form: Mapping[str, list[str]]) -> Choices:
    """What changes: of the boxes that were shown, those that differ from what holds now."""
    if form.get("nothing"):
        return {key: False for key in before if site.settings.topics[key[1]] == "marketing"}
    shown, yes = set(form.get("shown", ())), set(form.get("yes", ()))
    wanted = {key: ".".join(key) in yes for key in before if ".".join(key) in shown}
    return {key: granted for key, granted in wanted.items() if granted is not before[key]}


def _parsed(body: bytes) -> Mapping[str, list[str]]:
    try:
        return parse_qs(body.decode("ascii"), max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:  # not ASCII, not UTF-8 below it, or too many fields
        raise HTTPException(400, "this is not the page's form") from None
