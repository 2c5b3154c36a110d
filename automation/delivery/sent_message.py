"""A message that was sent, made again from what the ledger keeps: byte for byte, or only where its links lead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from automation.messages.compose import MessageDefaults, linked, tag_links
from automation.messages.redirect import addressed
from automation.messages.render import Renderer
from automation.store import runs
from automation.store.ledger import granting
from automation.store.ledger.granting import Grant
from automation.types.campaign import Campaign
from automation.types.message import Rendered
from automation.workspace.launched import LaunchedCampaign, LaunchedCampaigns
from automation.workspace.message_defaults import message_defaults_of
from automation.workspace.workspace import Workspace

T = TypeVar("T")
Products = Mapping[str, Mapping[str, object]]
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
        self._products: dict[tuple[int, int], Products] = {}
        self._lock = threading.Lock()  # a renderer compiles its templates when they are first used

    def message(self, message_id: str) -> Rendered:
        """The message as it was sent. Raises `StoreError` where it never was, and `TemplateError`."""
        return self._made(message_id, addressed)

    def link(self, message_id: str, number: int) -> Target | None:
        """Where its n-th click link leads; None where it has fewer. Raises `StoreError` and `TemplateError`."""
        urls, products = self._made(message_id, _linked)
        if number >= len(urls):
            return None
        url = urls[number]
        return Target(url, next((name for name, shown in products.items() if shown.get("url") == url), None))

    def _made(self, message_id: str, make: Callable[..., T]) -> T:
        with self._workspace.store.reading() as connection:
            grant = granting.grant_of(connection, message_id)
        with self._lock:
            launch, products = self._kept(grant)
            return make(grant, launch.campaign, launch.renderer, self._head, products)

    @cached_property
    def _head(self) -> MessageDefaults:
        return message_defaults_of(self._workspace.project, self._workspace.store.secret)

    def _kept(self, grant: Grant) -> tuple[LaunchedCampaign, Products]:
        """What was launched and what the batch shows; of the batches the ones asked for last."""
        key = (grant.run_id, grant.batch_no)
        launch = self._pinned.found.get(grant.launch_id)
        if launch is None or key not in self._products:
            with self._workspace.store.reading() as connection:
                launch = self._pinned.get(connection, grant.launch_id)
                shown = runs.products(connection, *key)
            if len(self._products) >= _BATCHES_KEPT:
                del self._products[next(iter(self._products))]
            self._products[key] = tag_links(shown, launch.campaign)
        return launch, self._products[key]


def _linked(
    grant: Grant, campaign: Campaign, renderer: Renderer, head: MessageDefaults, products: Products
) -> tuple[list[str], Products]:
    return linked(grant, campaign, renderer, head, products), products
