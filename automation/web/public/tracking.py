"""`/o/<token>`, the open pixel, and `/c/<token>`, a link of a message. Machines are told apart and kept apart."""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
from automation.web.endpoint import Endpoint, operation
from automation.web.public.tokens import Reference
from automation.web.site import Site

log = structlog.get_logger(__name__)

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # 1 × 1, transparent
PATIENCE = 2.0
"""Seconds that a reader waits for the event to be durable. After that the link matters more; the event stays queued."""
_PREFETCH = ("purpose", "sec-purpose", "x-purpose", "x-moz")


def endpoints(site: Site) -> Iterator[Endpoint]:
    bursts = Bursts()

    async def opened(request: Request) -> Response:
        reference = site.read_token("open", request.path_params["token"])
        if reference is None:
            return site.nowhere()
        await _note(site, _Seen("open", reference, _asked(request), site.now), bursts)
        return Response(PIXEL, media_type="image/gif")

    async def clicked(request: Request) -> Response:
        reference = site.read_token("click", request.path_params["token"])
        if reference is None:
            return site.nowhere()
        target = await run_in_threadpool(_target, site, reference)
        product = target.product_id if target else None
        await _note(site, _Seen("click", reference, _asked(request), site.now, product), bursts)
        return RedirectResponse(target.url, 302) if target else site.nowhere()

    yield Endpoint(
        "/o/{token}",
        {"GET": opened},
        {
            "GET": operation("The open pixel.", token=True, answers={200: "a transparent GIF", 404: "no such message"},
                             kind="image/gif"),
        },
    )  # fmt: skip
    yield Endpoint(
        "/c/{token}",
        {"GET": clicked},
        {
            "GET": operation("A link of a message: leads to where the message's text says, and nowhere else.",
                             token=True, answers={302: "to the link's address", 404: "no such message"}),
        },
    )  # fmt: skip


@dataclass(frozen=True)
class _Asked:
    method: str
    user_agent: str
    prefetch: str


@dataclass(frozen=True)
class _Seen:
    kind: Literal["open", "click"]
    reference: Reference
    asked: _Asked
    at: datetime
    product_id: str | None = None


@dataclass
class Bursts:
    """The latest clicks of each message, in memory: who follows many links at once does so within seconds."""

    _clicks: OrderedDict[str, list[tuple[datetime, int, str]]] = field(default_factory=OrderedDict)
    most: int = 10_000

    def add(self, message_id: str, link: int, event_id: str, at: datetime) -> tuple[int, list[str]]:
        """How many different links were clicked within BURST, this one included; and the events of those before."""
        kept = [click for click in self._clicks.pop(message_id, []) if at - click[0] <= BURST]
        earlier = [click[2] for click in kept]
        self._clicks[message_id] = [*kept, (at, link, event_id)][-50:]
        if len(self._clicks) > self.most:
            self._clicks.popitem(last=False)
        return len({click[1] for click in self._clicks[message_id]}), earlier


def _asked(request: Request) -> _Asked:
    prefetch = next((name for name in _PREFETCH if request.headers.get(name)), "")
    return _Asked(request.method, request.headers.get("user-agent", ""), prefetch)


def _target(site: Site, reference: Reference) -> Target | None:
    """Where the link leads; the shop's home page where the message can't be made again."""
    url = site.settings.shop.url
    home = None if url is None else Target(url, None)
    try:
        with site.workspace.store.reading() as connection:
            if responses.find_recipient(connection, reference.message_id) is None:
                return home
        return site.rerendering.link(reference.message_id, reference.link) or home
    except Exception:
        log.exception("a link leads home: its message can't be made again")
        return home


async def _note(site: Site, seen: _Seen, bursts: Bursts) -> None:
    """Write the event down; a reader is not kept waiting by a store that is busy."""
    try:
        noted = site.writer.commit(lambda connection: _record(connection, seen, bursts))
        await asyncio.wait_for(asyncio.shield(noted), PATIENCE)
    except TimeoutError:
        log.warning("the store is busy; the event is written when it can be", kind=seen.kind)
    except Exception:
        log.exception("an event could not be written", kind=seen.kind)


def _record(connection: Connection, seen: _Seen, bursts: Bursts) -> None:
    message = responses.find_recipient(connection, seen.reference.message_id)
    if message is None:
        return
    key = seen.kind if seen.kind == "open" else f"click:{seen.reference.link}"
    event_id = responses.event_id_of(message, key, seen.at)
    links, earlier = bursts.add(message.id, seen.reference.link, event_id, seen.at) if seen.kind == "click" else (1, [])
    judged = _judged(seen, message, links)
    if judged.why == "many_links" and links == MANY_LINKS:
        responses.mark_bot_clicks(connection, earlier, why=judged.why)
    event = responses.make_event(
        message,
        event_type(seen.kind, bot=judged.is_bot),
        at=seen.at,
        event_id=event_id,
        link=seen.reference.link if seen.kind == "click" else None,
        product_id=seen.product_id,
        client=judged.client,
        why=judged.why or None,
    )
    inbox.add_events(connection, [event], now=seen.at)


def _judged(seen: _Seen, message: MessageRecipient, links: int) -> BotVerdict:
    after: timedelta | None = None if message.granted_at is None else seen.at - message.granted_at
    asked = seen.asked
    return detect_bot(TrackedRequest(seen.kind, asked.method, asked.user_agent, after, links, asked.prefetch))
