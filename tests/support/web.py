"""A toy shop that has sent its messages, and the web app serving their links on a port of this machine."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from automation.clock import ManualClock
from automation.delivery.sent_message import Rerendering
from automation.store.inbox import inbox
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.message import Rendered
from automation.web.server import WebServer
from automation.workspace.workspace import Workspace, open_workspace
from support.tokens import token_of
from support.toy_project import CONFIG, deliver, outbox, start, toy_project

BASE = "https://news.toy.example"
KEY = "a-key-of-the-shop-0123456789"
SHOP_CONFIG = (
    CONFIG.replace(
        "promotions: marketing, service: service", "promotions: marketing, news_letter: marketing, service: service"
    )
    + f"links: {{base_url: '{BASE}'}}\nweb: {{api_keys: ['${{SHOP_KEY}}'], consent_keys: ['${{SHOP_KEY}}']}}\n"
)
BODY = """<html><body><p>Hello {{ customer.first_name }}</p>
{% for item in items %}<p><a href="{{ item.url }}">{{ item.name }}</a></p>{% endfor %}
<p><a href="{{ shop.url }}">{{ shop.name }}</a> <a href="mailto:hi@toy.example">write</a> <a href="#top">up</a>
<a href="{{ links.unsubscribe }}">unsubscribe</a> <a href="{{ links.preferences }}">choose</a></p></body></html>
"""
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
EVENT = {"event_id": "e1", "customer_id": "c1", "type": "purchase", "occurred_at": "2026-03-01T10:00:00+02:00"}
PERSON = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"}


@dataclass(frozen=True)
class Shop:
    """The app over a project whose messages were sent a minute ago, by its clock."""

    workspace: Workspace
    client: httpx.Client
    messages: tuple[Rendered, ...]

    def token(self, purpose: str, message: Rendered | None = None, *, link: int = 0) -> str:
        number = link if purpose == "click" else None
        return token_of(self.workspace.store.secret, purpose, (message or self.messages[0]).id, link=number)

    def rows(self, query: str) -> list[Any]:
        with self.workspace.store.reading() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def move(self, length: timedelta) -> None:
        self.workspace.clock.advance(length)  # type: ignore[attr-defined]  # a ManualClock

    def words(self, customer: str = "c1") -> dict[str, int]:
        """The customer's latest words: channel.topic → granted."""
        found = self.rows(f"SELECT channel || '.' || topic, granted FROM consent WHERE customer_id = '{customer}'")
        return dict(found)

    def post(self, *events: dict[str, Any]) -> httpx.Response:
        return self.client.post("/events", json={"events": events}, headers=AUTHORIZED)

    def events(self) -> list[dict[str, Any]]:
        """What lies in the inbox, in its order."""
        with self.workspace.store.reading() as connection:
            found = inbox.read_events(connection)
        return [
            {**{n: v for n, v in e._asdict().items() if n != "fields" and v is not None}, **e.fields} for e in found
        ]


def sent(root: Path, *, config: str = SHOP_CONFIG, body: str = BODY) -> Workspace:
    """The toy project with its run delivered; a minute has passed since. `SHOP_KEY` must be in the environment."""
    workspace = toy_project(root, config=config, body=body)
    start(workspace)
    deliver(workspace)
    workspace.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]  # a ManualClock
    return workspace


def reopened(root: Path, copy: Path) -> Workspace:
    """What `sent` made, again, in a folder of its own."""
    shutil.copytree(root, copy)
    return open_workspace(copy, clock=ManualClock(TOY_AS_OF + timedelta(minutes=1)))


def rendered(workspace: Workspace) -> tuple[Rendered, ...]:
    again = Rerendering(workspace)
    lines = sorted(outbox(workspace), key=lambda line: str(line["to"]))  # Ana's first, whatever the ids
    return tuple(again.message(line["id"]) for line in lines)


@contextmanager
def serving(workspace: Workspace) -> Iterator[Shop]:
    server = WebServer(lambda: workspace, "127.0.0.1", 0)
    server.start()
    try:
        with httpx.Client(base_url=server.address, headers=PERSON, timeout=10) as client:
            yield Shop(workspace, client, rendered(workspace))
    finally:
        server.stop()
        server.join(timeout=10)
        workspace.store.close()


def paths(html: str) -> list[str]:
    """Where a message's links into the app lead, in order."""
    return re.findall(rf'"{re.escape(BASE)}(/[^"]*)"', html)


class Fields(HTMLParser):
    """What a page's form has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: list[tuple[str, str, bool]] = []
        self.links: list[str] = []
        self.forms: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self.forms.append(found)
        if tag in ("input", "button") and found.get("name"):
            checked = found.get("type") == "hidden" or "checked" in found
            self.fields.append((str(found["name"]), str(found.get("value")), checked))
        if tag == "a":
            self.links.append(str(found.get("href")))

    def filled(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value, checked in self.fields if checked]
