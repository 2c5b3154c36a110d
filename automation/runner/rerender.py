"""A message that was sent, made again from what the ledger keeps: byte for byte, or only where its links lead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TypeVar

from automation.pipeline.compose import Letterhead, compose, linked, tag_links
from automation.runner.delivery import letterhead
from automation.runner.pinned import Pinned, PinnedCampaigns
from automation.runner.workspace import Workspace
from automation.store import granting, runs
from automation.store.granting import Grant
from automation.types.message import Rendered

T = TypeVar("T")
Products = Mapping[str, Mapping[str, object]]
_BATCHES_KEPT = 32


class Rerendering:
    """Renders again what this project sent; may be asked from several threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._pinned = PinnedCampaigns(workspace.project)
        self._products: dict[tuple[int, int], Products] = {}
        self._lock = threading.Lock()  # a renderer compiles its templates when they are first used

    def message(self, message_id: str) -> Rendered:
        """The message as it was sent. Raises `StoreError` where it never was, and `TemplateError`."""
        return self._made(message_id, compose)

    def links(self, message_id: str) -> list[str]:
        """Where its click links lead, by their number. Raises `StoreError` and `TemplateError`."""
        return self._made(message_id, linked)

    def _made(self, message_id: str, make: Callable[..., T]) -> T:
        with self._workspace.store.reading() as connection:
            grant = granting.grant_of(connection, message_id)
        with self._lock:
            launch, products = self._kept(grant)
            return make(grant, launch.campaign, launch.renderer, self._head, products)

    @cached_property
    def _head(self) -> Letterhead:
        return letterhead(self._workspace)

    def _kept(self, grant: Grant) -> tuple[Pinned, Products]:
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
