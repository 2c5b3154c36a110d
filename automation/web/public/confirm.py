"""`/confirm/<token>`: double opt-in. A GET confirms nothing; pressing the button does, and is the proof."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from automation.event_types import CONSENT_GIVEN
from automation.store.inbox import inbox, responses
from automation.store.inbox.responses import MessageRecipient, Proof
from automation.store.people import double_opt_in
from automation.store.people.double_opt_in import ConsentRequestRow
from automation.web.endpoint import Endpoint, describe_operation, read_body
from automation.web.site import Site

LIMIT = 16_384
_OPEN = ("asked", "confirmed")


def make_endpoints(site: Site) -> Iterator[Endpoint]:
    def show(request: Request) -> Response:
        reference = site.read_token("confirm", request.path_params["token"])
        if reference is None:
            return site.show_not_found()
        with site.workspace.store.reading() as connection:
            message = responses.find_recipient(connection, reference.message_id)
            requests = double_opt_in.requests_of_message(connection, reference.message_id)
        if message is None:
            return site.show_not_found()
        if site.has_ended("confirm", message) or (requests and not any(one.state in _OPEN for one in requests)):
            return site.show_ended("confirm", message)
        return site.show_page("confirm", message, topic=_topics(requests, message), channel=message.channel)

    async def confirm(request: Request) -> Response:
        await read_body(request, LIMIT)
        reference = site.read_token("confirm", request.path_params["token"])
        if reference is None:
            return site.show_not_found()
        version = await run_in_threadpool(site.text_version, "confirm", reference.message_id)
        proof = Proof(site.now, "confirm link", "double opt-in", version)
        confirmed = await site.writer.commit(lambda connection: _confirm(site, connection, reference.message_id, proof))
        if confirmed is None:
            return site.show_not_found()
        message, topics = confirmed
        if topics is None:
            return site.show_ended("confirm", message)
        other = site.make_link("preferences", "p", message)
        return site.show_page("confirmed", message, topic=topics, channel=message.channel, other=other)

    described = {
        "GET": describe_operation(
            "Show a page with a button that confirms a subscription; changes nothing.",
            token=True,
            answers={200: "the page", 404: "not a valid link", 410: "the link has ended"},
        ),
        "POST": describe_operation(
            "Confirm the subscription that the message asked about.",
            token=True,
            body={"application/x-www-form-urlencoded": {"schema": {"type": "object"}}},
            answers={
                200: "confirmed", 404: "not a valid link", 408: "the body did not arrive in time",
                410: "the link has ended", 413: "the body is too long",
            },
        ),
    }  # fmt: skip
    yield Endpoint("/confirm/{token}", {"GET": show, "POST": confirm}, described)


def _confirm(
    site: Site, connection: Connection, message_id: str, proof: Proof
) -> tuple[MessageRecipient, str | None] | None:
    """Grant what the message asks about, and record when, how, where from and the wording; no topics if it is too late.

    A message that belongs to no request, such as a campaign's own, asks about its topic.
    """
    message = responses.find_recipient(connection, message_id)
    if message is None:
        return None
    if site.has_ended("confirm", message):
        return message, None
    if double_opt_in.requests_of_message(connection, message_id):
        valid = site.settings.consent.confirm_within
        confirmed = double_opt_in.confirm_requests(connection, message_id, at=proof.at, valid=valid)
        for request in confirmed:
            _add_event(connection, message, request, proof.at)
        return message, _topics(confirmed, message) if confirmed else None
    responses.record_consents(connection, message, {(message.channel, message.topic): True}, proof)
    return message, message.topic


def _add_event(connection: Connection, message: MessageRecipient, request: ConsentRequestRow, now: datetime) -> None:
    at = request.settled_at or now
    event_id = responses.event_id_of(message, f"{CONSENT_GIVEN}:{request.customer_id}.{request.topic}", at)
    event = responses.make_event(message, CONSENT_GIVEN, at=at, event_id=event_id, topic=request.topic)
    inbox.add_events(connection, [event._replace(customer_id=request.customer_id)], now=now)


def _topics(requests: Sequence[ConsentRequestRow], message: MessageRecipient) -> str:
    return ", ".join(dict.fromkeys(request.topic for request in requests)) or message.topic
