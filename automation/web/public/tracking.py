"""`/o/<token>`, the open pixel, and `/c/<token>`, a link of a message. Bots are recorded apart from people."""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import structlog
from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from automation.delivery.sent_message import Target
from automation.inbound.bot_detection import BURST, MANY_LINKS, BotVerdict, TrackedRequest, detect_bot, event_type
from automation.store.inbox import inbox, responses
from automation.store.inbox.responses import MessageRecipient
from automation.web.endpoint import Endpoint, describe_operation
from automation.web.public.tokens import Reference
from automation.web.site import Site

log = structlog.get_logger(__name__)

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # 1 × 1, transparent
PATIENCE = 2.0
"""Seconds that a reader waits until the event is stored. Then the link is answered; the event stays queued."""
_PREFETCH_HEADERS = ("purpose", "sec-purpose", "x-purpose", "x-moz")


def make_endpoints(site: Site) -> Iterator[Endpoint]:
    bursts = Bursts()

    async def open_pixel(request: Request) -> Response:
        reference = site.read_token("open", request.path_params["token"])
        if reference is None:
            return site.show_not_found()
        await _record(site, _Hit.of(request, "open", reference, site.now), bursts)
        return Response(PIXEL, media_type="image/gif")

    async def follow_link(request: Request) -> Response:
        reference = site.read_token("click", request.path_params["token"])
        if reference is None:
            return site.show_not_found()
        target = await run_in_threadpool(_find_target, site, reference)
        product = target.product_id if target else None
        await _record(site, _Hit.of(request, "click", reference, site.now, product), bursts)
        return RedirectResponse(target.url, 302) if target else site.show_not_found()

    pixel = describe_operation(
        "The open pixel.",
        token=True,
        answers={200: "a transparent GIF", 404: "not a valid link"},
        kind="image/gif",
    )
    link = describe_operation(
        "A link of a message: redirects to the address in the message's text, and to no other.",
        token=True,
        answers={302: "to the link's address", 404: "not a valid link"},
    )
    yield Endpoint("/o/{token}", {"GET": open_pixel}, {"GET": pixel})
    yield Endpoint("/c/{token}", {"GET": follow_link}, {"GET": link})


@dataclass(frozen=True)
class _Hit:
    """An open or a click, and what the request says about the client."""

    kind: Literal["open", "click"]
    reference: Reference
    at: datetime
    request: TrackedRequest
    product_id: str | None

    @classmethod
    def of(
        cls,
        request: Request,
        kind: Literal["open", "click"],
        reference: Reference,
        at: datetime,
        product_id: str | None = None,
    ) -> _Hit:
        prefetch = next((name for name in _PREFETCH_HEADERS if request.headers.get(name)), "")
        user_agent = request.headers.get("user-agent", "")
        return cls(kind, reference, at, TrackedRequest.of(kind, request.method, user_agent, prefetch), product_id)


@dataclass
class Bursts:
    """The latest clicks of each message, in memory: a link checker follows many links within seconds."""

    _clicks: OrderedDict[str, list[tuple[datetime, int, str]]] = field(default_factory=OrderedDict)
    max_messages: int = 10_000

    def add(self, message_id: str, link: int, event_id: str, at: datetime) -> tuple[int, list[str]]:
        """The number of different links clicked within BURST, with this one, and the event ids of the earlier ones."""
        recent = [click for click in self._clicks.pop(message_id, []) if at - click[0] <= BURST]
        self._clicks[message_id] = [*recent, (at, link, event_id)][-50:]
        if len(self._clicks) > self.max_messages:
            self._clicks.popitem(last=False)
        return len({click[1] for click in self._clicks[message_id]}), [click[2] for click in recent]


def _find_target(site: Site, reference: Reference) -> Target | None:
    """Where the link leads; the shop's home page if the message can't be rendered again."""
    url = site.settings.shop.url
    home = None if url is None else Target(url, None)
    try:
        with site.workspace.store.reading() as connection:
            if responses.find_recipient(connection, reference.message_id) is None:
                return home
        return site.rerendering.link(reference.message_id, reference.link) or home
    except Exception:
        log.exception("a message can't be rendered again; its link leads to the home page")
        return home


async def _record(site: Site, hit: _Hit, bursts: Bursts) -> None:
    """Store the event; a busy store does not keep the reader waiting."""
    try:
        topic = site.settings.consent.tracking
        stored = site.writer.commit(lambda connection: _add_event(connection, hit, bursts, topic))
        await asyncio.wait_for(asyncio.shield(stored), PATIENCE)
    except TimeoutError:
        log.warning("store is busy; the event stays queued", kind=hit.kind)
    except Exception:
        log.exception("an event was not stored", kind=hit.kind)


def _add_event(connection: Connection, hit: _Hit, bursts: Bursts, topic: str | None) -> None:
    """Store the event, unless it needs a consent to this topic that was withdrawn since the message left."""
    message = responses.find_recipient(connection, hit.reference.message_id)
    if message is None or (topic is not None and not responses.may_track_now(connection, message, topic)):
        return
    link = hit.reference.link
    event_id = responses.event_id_of(message, "open" if hit.kind == "open" else f"click:{link}", hit.at)
    links, earlier = bursts.add(message.id, link, event_id, hit.at) if hit.kind == "click" else (1, [])
    found = _detect_bot(hit, message, links)
    if found.why == "many_links" and links == MANY_LINKS:
        responses.mark_bot_clicks(connection, earlier, why=found.why)
    event = responses.make_event(
        message,
        event_type(hit.kind, bot=found.is_bot),
        at=hit.at,
        event_id=event_id,
        link=link if hit.kind == "click" else None,
        product_id=hit.product_id,
        client=found.client,
        why=found.why or None,
    )
    inbox.add_events(connection, [event], now=hit.at)


def _detect_bot(hit: _Hit, message: MessageRecipient, links: int) -> BotVerdict:
    after = None if message.granted_at is None else hit.at - message.granted_at
    return detect_bot(replace(hit.request, after=after, links=links))
