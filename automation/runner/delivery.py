"""Delivers what is due: one committer, groups of 32, several groups on their way at once.

The committer alone writes to the ledger. Each tick commits the results that came back and the intents of the next
group; a group is rendered and handed to its channel only after that commit.
"""

from __future__ import annotations

import asyncio
import os
import platform
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import structlog

from automation.contracts import Channel
from automation.errors import AutomationError
from automation.pipeline.compose import Letterhead, compose
from automation.runner.channels import channel_kinds, make_channel
from automation.runner.pinned import PinnedCampaigns
from automation.runner.run import Progress, quiet
from automation.runner.workspace import Workspace
from automation.store import flights, runs, sending
from automation.store.sending import Grant
from automation.types.message import Receipt, Rendered, Verdict

log = structlog.get_logger(__name__)

GROUP = 32
GROUPS_AT_ONCE = 4
_TICKS_A_CHECKPOINT = 500


@dataclass
class Delivery:
    """One delivering life of this process, from take-off to landing."""

    workspace: Workspace
    pinned: PinnedCampaigns
    progress: Progress = quiet
    sent: int = 0
    _stopping: bool = False
    _channels: dict[str, Channel] = field(default_factory=dict)
    _products: dict[tuple[int, int], Mapping[str, Any]] = field(default_factory=dict)

    async def deliver_due(self) -> int:
        """Send until nothing more is due or `stop` is called; returns how many messages were settled."""
        settled = 0
        flight = self._take_off()
        on_their_way: dict[asyncio.Task[list[Receipt]], Sequence[Grant]] = {}
        results: list[Receipt] = []
        try:
            for tick in range(10**12):
                room = 0 if self._stopping else (GROUPS_AT_ONCE - len(on_their_way)) * GROUP
                done = await self._commit(results, want=room, flight=flight)
                settled += len(results) + done.refused
                self._report(results, settled)
                results = []
                for start in range(0, len(done.grants), GROUP):
                    group = done.grants[start : start + GROUP]
                    on_their_way[asyncio.create_task(self._send(group))] = group
                if not on_their_way and not done.refused:
                    return settled
                results = await _arrived(on_their_way)
                if tick % _TICKS_A_CHECKPOINT == 0:
                    self.workspace.store.checkpoint()
        finally:
            await self._land(flight, on_their_way)
        return settled

    def stop(self) -> None:
        """Grant nothing more; what is on its way is waited for."""
        self._stopping = True

    async def _commit(self, results: list[Receipt], *, want: int, flight: int) -> sending.Tick:
        topics = self.workspace.project.settings.topics
        marketing = [topic for topic, kind in topics.items() if kind == "marketing"]
        with self.workspace.store.transaction() as connection:
            return sending.tick(
                connection,
                results=results,
                want=want,
                flight=flight,
                now=self.workspace.clock.now(),
                marketing=marketing,
            )

    async def _send(self, grants: Sequence[Grant]) -> list[Receipt]:
        """Render the group and hand it to its channels; every grant gets one receipt."""
        by_channel: dict[str, list[Rendered]] = defaultdict(list)
        receipts: list[Receipt] = []
        for grant in grants:
            try:
                by_channel[grant.channel].append(self._compose(grant))
            except AutomationError as error:
                receipts.append(Receipt(grant.id, grant.attempt, Verdict.FAILED, f"can't be rendered: {error}"))
        for channel, messages in by_channel.items():
            receipts += await self._deliver(channel, messages)
        return receipts

    async def _deliver(self, channel: str, messages: list[Rendered]) -> list[Receipt]:
        waiting = {(message.id, message.attempt) for message in messages}
        receipts: list[Receipt] = []
        try:
            async for receipt in self._channel(channel).deliver(messages):
                if (receipt.id, receipt.attempt) in waiting:
                    waiting.discard((receipt.id, receipt.attempt))
                    receipts.append(receipt)
        except Exception:
            log.exception("channel failed", channel=channel, unreported=len(waiting))
        return receipts + [Receipt(i, a, Verdict.AMBIGUOUS, "the channel gave no receipt") for i, a in sorted(waiting)]

    def render_again(self, message: str) -> Rendered:
        """A message as it was sent, byte for byte. Raises `StoreError` and `TemplateError`."""
        with self.workspace.store.reading() as connection:
            grant = sending.grant_of(connection, message)
        return self._compose(grant)

    def _compose(self, grant: Grant) -> Rendered:
        with self.workspace.store.reading() as connection:
            launch = self.pinned.get(connection, grant.launch_id)
            key = (grant.run_id, grant.batch_no)
            if key not in self._products:
                if len(self._products) >= GROUP:
                    del self._products[next(iter(self._products))]
                self._products[key] = runs.products(connection, *key)
        return compose(grant, launch.campaign, launch.renderer, self.letterhead, self._products[key])

    @cached_property
    def letterhead(self) -> Letterhead:
        return letterhead(self.workspace)

    def _channel(self, name: str) -> Channel:
        if name not in self._channels:
            self._channels[name] = make_channel(self.workspace, name)
        return self._channels[name]

    def _report(self, results: Sequence[Receipt], settled: int) -> None:
        self.sent += sum(receipt.verdict is Verdict.SENT for receipt in results)
        self.progress("sending", settled, settled)
        if results:
            rows = [(r.id, r.verdict.value, r.detail) for r in results]
            frame = pl.DataFrame(rows, schema=["message_id", "verdict", "detail"], orient="row")
            self.workspace.project.registry.observe("messages_sent", receipts=frame)

    def _take_off(self) -> int:
        with self.workspace.store.transaction() as connection:
            return flights.take_off(
                connection, host=platform.node(), boot_id=_boot_id(), pid=os.getpid(), now=self.workspace.clock.now()
            )

    async def _land(self, flight: int, on_their_way: dict[asyncio.Task[list[Receipt]], Sequence[Grant]]) -> None:
        """After an error: wait for what was handed over, and write down what came of it."""
        rest = [receipt for task in on_their_way for receipt in await task]
        now = self.workspace.clock.now()
        with self.workspace.store.transaction() as connection:
            sending.settle(connection, rest, now=now)
            flights.land(connection, flight, now=now)
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()
        self.workspace.store.checkpoint()


def letterhead(workspace: Workspace) -> Letterhead:
    """What every message of this project carries."""
    settings = workspace.project.settings
    shop = settings.shop
    return Letterhead(
        shop={key: str(value or "") for key, value in shop.model_dump(include=_SHOWN_OF_SHOP).items()},
        zone=ZoneInfo(shop.timezone),
        sender=settings.senders.from_ or f"{shop.name} <{shop.email or 'no-reply@localhost'}>",
        reply_to=settings.senders.reply_to or "",
        base_url=settings.links.base_url,
        unsubscribe_to=shop.email or "no-reply@localhost",
        kinds=channel_kinds(workspace),
        offers=settings.offers,
        secret=workspace.store.secret,
    )


_SHOWN_OF_SHOP = {"name", "url", "currency", "language", "address", "email"}


async def _arrived(on_their_way: dict[asyncio.Task[list[Receipt]], Sequence[Grant]]) -> list[Receipt]:
    """Wait for at least one group; take the receipts of all that are done."""
    if not on_their_way:
        return []
    done, _ = await asyncio.wait(on_their_way, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        del on_their_way[task]
    return [receipt for task in done for receipt in task.result()]


def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""
