"""`/p/<token>`: the preference centre, with a box to tick for each channel and topic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs

from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from automation.store.inbox import responses
from automation.store.inbox.responses import MessageRecipient, Proof
from automation.store.people import suppressions
from automation.web.endpoint import Endpoint, describe_operation, read_body
from automation.web.site import Site

LIMIT = 65_536
_MAX_FIELDS = 1_000
_VALUES = {"type": "array", "items": {"type": "string"}}
_FORM = {"schema": {"type": "object", "properties": {"shown": _VALUES, "yes": _VALUES, "nothing": {"type": "string"}}}}

Choices = Mapping[tuple[str, str], bool]
"""(channel, topic) → whether the recipient wants it."""


def make_endpoints(site: Site) -> Iterator[Endpoint]:
    def show(request: Request) -> Response:
        message_id = _read_message_id(site, request)
        if message_id is None:
            return site.show_not_found()
        with site.workspace.store.reading() as connection:
            message = responses.find_recipient(connection, message_id)
            ended = message is not None and site.has_ended("preferences", message)
            choices = {} if message is None or ended else _read_choices(site, connection, message)
        if message is None:
            return site.show_not_found()
        return site.show_ended("preferences", message) if ended else _show(site, message, choices)

    async def save(request: Request) -> Response:
        form = _parse_form(await read_body(request, LIMIT))
        message_id = _read_message_id(site, request)
        if message_id is None:
            return site.show_not_found()
        version = await run_in_threadpool(site.text_version, "preferences", message_id)
        proof = Proof(site.now, "preference centre", "preference centre", version)
        saved = await site.writer.commit(lambda connection: _save(site, connection, message_id, form, proof))
        if saved is None:
            return site.show_not_found()
        message, choices = saved
        return site.show_ended("preferences", message) if choices is None else _show(site, message, choices, saved=True)

    described = {
        "GET": describe_operation(
            "Show the preference centre: what the recipient gets, by channel and topic.",
            token=True,
            answers={200: "the page", 404: "not a valid link", 410: "the link has ended"},
        ),
        "POST": describe_operation(
            "Save the choices: of the boxes in `shown`, those in `yes` are ticked; `nothing` unticks all marketing.",
            token=True,
            body={"application/x-www-form-urlencoded": _FORM},
            answers={
                200: "saved; the page as it is now", 400: "the body is not a form", 404: "not a valid link",
                408: "the body did not arrive in time", 410: "the link has ended", 413: "the body is too long",
            },
        ),
    }  # fmt: skip
    yield Endpoint("/p/{token}", {"GET": show, "POST": save}, described)


def _read_message_id(site: Site, request: Request) -> str | None:
    reference = site.read_token("preferences", request.path_params["token"])
    return reference.message_id if reference else None


def _show(site: Site, message: MessageRecipient, choices: Choices, *, saved: bool = False) -> Response:
    rows = tuple(
        {"value": f"{channel}.{topic}", "topic": topic, "channel": channel, "checked": wanted}
        for (channel, topic), wanted in choices.items()
    )
    return site.show_page("preferences", message, choices=rows, saved=saved)


def _read_choices(site: Site, connection: Connection, message: MessageRecipient) -> Choices:
    """Every topic on the message's own channel; on other channels those with a consent on record.

    This link does not prove an address on another channel, so nothing new can be subscribed to there.
    """
    settings = site.settings
    consents = responses.latest_consents(connection, message.customer_id)
    offered = [(message.channel, topic) for topic in settings.topics]
    offered += [key for key in consents if key[0] != message.channel and key[0] in settings.channels]
    choices = {}
    for channel, topic in offered:
        if topic in settings.topics:
            choices[channel, topic] = consents.get((channel, topic), settings.topics[topic] == "service") and not (
                channel == message.channel and suppressions.suppressed(connection, [message.address], channel, topic)
            )
    return choices


def _save(
    site: Site, connection: Connection, message_id: str, form: Mapping[str, list[str]], proof: Proof
) -> tuple[MessageRecipient, Choices | None] | None:
    """The message with its recipient's choices as they are now; None for them if its link has ended."""
    message = responses.find_recipient(connection, message_id)
    if message is None:
        return None
    if site.has_ended("preferences", message):
        return message, None
    changes = _find_changes(site, _read_choices(site, connection, message), form)
    responses.record_consents(connection, message, changes, proof)
    return message, _read_choices(site, connection, message)


def _find_changes(site: Site, current: Choices, form: Mapping[str, list[str]]) -> Choices:
    """Of the boxes that were shown, those that differ from what holds now."""
    if form.get("nothing"):
        return {key: False for key in current if site.settings.topics[key[1]] == "marketing"}
    shown, yes = set(form.get("shown", ())), set(form.get("yes", ()))
    wanted = {key: ".".join(key) in yes for key in current if ".".join(key) in shown}
    return {key: granted for key, granted in wanted.items() if granted is not current[key]}


def _parse_form(body: bytes) -> Mapping[str, list[str]]:
    try:
        return parse_qs(body.decode("ascii"), max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:  # not ASCII, not UTF-8 once decoded, or too many fields
        raise HTTPException(400, "this is not the page's form") from None
