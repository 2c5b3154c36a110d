"""A message that was sent, made again from what the ledger keeps: byte for byte, or only where its links lead."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from automation.messages.batch_content import BatchContent, read_content
from automation.messages.compose import MessageDefaults, find_link_targets
from automation.messages.redirect import compose_for_recipient
from automation.messages.render import Renderer
from automation.store import runs
from automation.store.ledger.grants import grant_of
from automation.types.campaign import Campaign
from automation.types.grant import Grant
from automation.types.message import Rendered
from automation.workspace.launched import LaunchedCampaign, LaunchedCampaigns
from automation.workspace.message_defaults import message_defaults_of
from automation.workspace.workspace import Workspace

T = TypeVar("T")
_BATCHES_KEPT = 32


@dataclass(frozen=True)
class Target:
    """Where a link leads, and the product that the campaign shows there, if it is one."""

    url: str
    product_id: str | None


class Rerendering:
    """Renders again what this project sent; may be asked from several threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._pinned = LaunchedCampaigns(workspace.project)
        self._content: dict[tuple[int, int], BatchContent] = {}
        self._lock = threading.Lock()  # a renderer compiles its templates when they are first used

    def message(self, message_id: str) -> Rendered:
        """The message as it was sent. Raises `StoreError` where it never was, and `TemplateError`."""
        return self._made(message_id, compose_for_recipient)

    def link(self, message_id: str, number: int) -> Target | None:
        """Where its n-th click link leads; None where it has fewer. Raises `StoreError` and `TemplateError`."""
        urls, content, step = self._made(message_id, _linked)
        if number >= len(urls):
            return None
        url = urls[number]
        return Target(url, content.product_of(step, url))

    def _made(self, message_id: str, make: Callable[..., T]) -> T:
        with self._workspace.store.reading() as connection:
            grant = grant_of(connection, message_id)
        with self._lock:
            launch, content = self._kept(grant)
            return make(grant, launch.campaign, launch.renderer, self._head(grant.granted_at), content)

    def _head(self, granted_at: datetime) -> MessageDefaults:
        """With the key that signed the message's links."""
        return replace(self._newest_head, secret=self._workspace.store.keys.signing_at(granted_at))

    @cached_property
    def _newest_head(self) -> MessageDefaults:
        return message_defaults_of(self._workspace.project, self._workspace.store.secret)

    def _kept(self, grant: Grant) -> tuple[LaunchedCampaign, BatchContent]:
        """What was launched and what the batch shows; of the batches the ones asked for last."""
        key = (grant.run_id, grant.batch_no)
        launch = self._pinned.found.get(grant.launch_id)
        if launch is None or key not in self._content:
            with self._workspace.store.reading() as connection:
                launch = self._pinned.get(connection, grant.launch_id)
                stored = runs.content(connection, *key)
            if len(self._content) >= _BATCHES_KEPT:
                del self._content[next(iter(self._content))]
            self._content[key] = read_content(stored, launch.campaign, launch.renderer.reasons)
        return launch, self._content[key]


def _linked(
    grant: Grant, campaign: Campaign, renderer: Renderer, head: MessageDefaults, content: BatchContent
) -> tuple[list[str], BatchContent, str]:
    return find_link_targets(grant, campaign, renderer, head, content), content, grant.step
