"""`/confirm/<token>`: double opt-in. Looking confirms nothing; pressing the button does, and is the proof."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response

from automation.event_types import CONSENT_GIVEN
from automation.store.inbox import inbox, responses
from automation.store.inbox.responses import MessageRecipient, Proof
from automation.store.people import double_opt_in
from automation.store.people.double_opt_in import ConsentRequestRow
from automation.web.endpoint import Endpoint, operation, read_body
from automation.web.site import Site

LIMIT = 16_384


def endpoints(site: Site) -> Iterator[Endpoint]:
    def show(request: Request) -> Response:
        reference = site.read_token("confirm", request.path_params["token"])
        if reference is None:
            return site.nowhere()
        with site.workspace.store.reading() as connection:
            message = responses.find_recipient(connection, reference.message_id)
        if message is None:
            return site.nowhere()
        with site.workspace.store.reading() as connection:
            topics = _topics(double_opt_in.requests_of_message(connection, message.id), message)
        return site.page("confirm", message, topic=topics, channel=message.channel)

    async def confirm(request: Request) -> Response:
        await read_body(request, LIMIT)
        reference = site.read_token("confirm", request.path_params["token"])
        if reference is None:
            return site.nowhere()
        found = await site.writer.commit(lambda connection: _confirm(site, connection, reference.message_id))
        if found is None:
            return site.nowhere()
        message, topics = found
        return site.page("confirmed", message, topic=topics, channel=message.channel,
                         other=site.link("preferences", "p", message))  # fmt: skip

    yield Endpoint(
        "/confirm/{token}",
        {"GET": show, "POST": confirm},
        {
            "GET": operation("A page with a button to confirm a subscription; looking at it changes nothing.",
                             token=True, answers={200: "the page", 404: "no such message"}),
            "POST": operation("Confirm the subscription that the message asked for.", token=True,
                              body={"application/x-www-form-urlencoded": {"schema": {"type": "object"}}},
                              answers={200: "confirmed", 404: "no such message", 408: "the body did not arrive",
                                       413: "too long"}),
        },
    )  # fmt: skip


def _confirm(site: Site, connection: Connection, message_id: str) -> tuple[MessageRecipient, str] | None:
    """What the message asks about is granted, with when, how, the wording and where from.

    A message that asks about no request, such as a campaign's own, asks about its topic.
    """
    message = responses.find_recipient(connection, message_id)
    if message is None:
        return None
    if double_opt_in.requests_of_message(connection, message_id):
        confirmed = double_opt_in.confirm_requests(connection, message_id, at=site.now)
        for request in confirmed:
            at = request.settled_at or site.now
            key = f"{CONSENT_GIVEN}:{request.customer_id}.{request.topic}"
            event_id = responses.event_id_of(message, key, at)
            event = responses.make_event(message, CONSENT_GIVEN, at=at, event_id=event_id, topic=request.topic)
            inbox.add_events(connection, [event._replace(customer_id=request.customer_id)], now=site.now)
        return (message, _topics(confirmed, message)) if confirmed else None
    words = {(message.channel, message.topic): True}
    proof = Proof(site.now, "confirm link", "double opt-in", site.pages.text_version("confirm", message.language))
    responses.record_consents(connection, message, words, proof)
    return message, message.topic


def _topics(requests: Sequence[ConsentRequestRow], message: MessageRecipient) -> str:
    return ", ".join(dict.fromkeys(request.topic for request in requests)) or message.topic
