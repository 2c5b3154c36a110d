"""Delivers what is due: one committer, groups of 32, several groups on their way at once.

The committer alone writes to the ledger. Each tick commits the results that came back and the intents of the next
group; a group is rendered and handed to its channel only after that commit.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import platform
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import structlog

from automation.contracts import Channel, Suppression
from automation.errors import AutomationError
from automation.pipeline.compose import Letterhead, compose, tag_links
from automation.pipeline.eligibility import refusals
from automation.runner.channels import channel_kinds, make_channel
from automation.runner.materials import suppressions
from automation.runner.pinned import Pinned, PinnedCampaigns
from automation.runner.run import Progress, quiet
from automation.runner.workspace import Workspace
from automation.store import flights, granting, runs, sending
from automation.store.granting import Grant
from automation.types.message import Receipt, Rendered, Verdict

log = structlog.get_logger(__name__)

GROUP = 32
GROUPS_AT_ONCE = 4
_TICKS_A_CHECKPOINT = 500
_LONGEST_WAIT = 0.25

Products = Mapping[str, Mapping[str, object]]


@dataclass
class Delivery:
    """One delivering life of this process, from take-off to landing."""

    workspace: Workspace
    pinned: PinnedCampaigns
    progress: Progress = quiet
    sent: int = 0
    settled: int = 0
    _stopping: bool = False
    _on_their_way: int = 0
    _receipts: list[Receipt] = field(default_factory=list)
    _channels: dict[str, Channel] = field(default_factory=dict)
    _products: dict[tuple[int, int], Products] = field(default_factory=dict)

    async def deliver_due(self) -> int:
        """Send until nothing more is due or `stop` is called; returns how many messages were settled."""
        flight = self._take_off()
        groups: set[asyncio.Task[None]] = set()
        try:
            for number in itertools.count(1):
                done = self._commit(flight)
                groups |= {
                    asyncio.create_task(self._send(done.grants[start : start + GROUP]))
                    for start in range(0, len(done.grants), GROUP)
                }
                if not groups and not self._receipts and not done.refused:
                    break
                groups = await self._wait(groups)
                if number % _TICKS_A_CHECKPOINT == 0:
                    self.workspace.store.checkpoint()
        finally:
            await self._land(flight, groups)
        return self.settled

    def stop(self) -> None:
        """Grant nothing more; what is on its way is waited for."""
        self._stopping = True

    def _commit(self, flight: int) -> granting.Tick:
        """One tick: the receipts that came in, and the next groups where there is room for one."""
        results, self._receipts = self._receipts, []
        self._on_their_way -= len(results)
        room = GROUPS_AT_ONCE * GROUP - self._on_their_way
        with self.workspace.store.transaction() as connection:
            done = granting.tick(
                connection,
                results=results,
                want=0 if self._stopping or room < GROUP else room,
                flight=flight,
                now=self.workspace.clock.now(),
                marketing=self._marketing,
                refuse=self._refused,
            )
        self._on_their_way += len(done.grants)
        self._report(results, done.refused)
        return done

    @cached_property
    def _marketing(self) -> list[str]:
        topics = self.workspace.project.settings.topics
        return [topic for topic, kind in topics.items() if kind == "marketing"]

    @cached_property
    def _suppressions(self) -> list[Suppression]:
        return suppressions(self.workspace)

    def _refused(self, grants: Sequence[Grant]) -> dict[str, str]:
        """What the suppression plugins say at the moment of sending: message → reason code."""
        if not self._suppressions:
            return {}
        people = pl.DataFrame([json.loads(grant.context)["customer"] for grant in grants], infer_schema_length=None)
        batch = people.with_columns(
            pl.Series(name, [getattr(grant, name) for grant in grants], dtype=pl.String)
            for name in ("customer_id", "channel", "address", "topic", "campaign")
        )
        now = self.workspace.clock.now()
        codes = {
            customer: code
            for suppression in reversed(self._suppressions)
            for customer, code in refusals(batch, suppression, at=now, moment="send")
            .select("customer_id", "code")
            .rows()
        }
        return {grant.id: codes[grant.customer_id] for grant in grants if grant.customer_id in codes}

    async def _wait(self, groups: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
        """Until a group is through, or for a moment: receipts of a slow channel are not kept waiting for the others."""
        if groups:
            done, groups = await asyncio.wait(groups, timeout=_LONGEST_WAIT, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        return groups

    async def _send(self, grants: Sequence[Grant]) -> None:
        """Render the group and hand it to its channels; every grant gets one receipt."""
        by_channel: dict[str, list[Rendered]] = defaultdict(list)
        for grant in grants:
            try:
                by_channel[grant.channel].append(self._compose(grant))
            except AutomationError as error:
                self._receipts.append(Receipt(grant.id, grant.attempt, Verdict.FAILED, f"can't be rendered: {error}"))
        for name, messages in by_channel.items():
            try:
                channel = self._channel(name)
            except Exception as error:
                log.exception("channel can't be made", channel=name)
                why = f"channel {name} can't be made: {error}"
                self._receipts += [Receipt(m.id, m.attempt, Verdict.RETRY, why) for m in messages]
            else:
                await self._hand_over(channel, name, messages)

    async def _hand_over(self, channel: Channel, name: str, messages: Sequence[Rendered]) -> None:
        """What was handed over and isn't reported, whatever ends the channel, may have arrived."""
        waiting = {(message.id, message.attempt) for message in messages}
        handed_over: set[str] = set()
        try:
            async for receipt in channel.deliver(messages, lambda message: handed_over.add(message.id)):
                if (receipt.id, receipt.attempt) in waiting:
                    waiting.discard((receipt.id, receipt.attempt))
                    self._receipts.append(receipt)
        except Exception:
            log.exception("channel failed", channel=name, unreported=len(waiting))
        finally:
            self._receipts += [
                Receipt(i, attempt, Verdict.AMBIGUOUS if i in handed_over else Verdict.RETURNED, _UNREPORTED)
                for i, attempt in sorted(waiting)
            ]

    def render_again(self, message: str) -> Rendered:
        """A message as it was sent, byte for byte. Raises `StoreError` and `TemplateError`."""
        with self.workspace.store.reading() as connection:
            grant = granting.grant_of(connection, message)
        return self._compose(grant)

    def _compose(self, grant: Grant) -> Rendered:
        launch, products = self._kept(grant)
        return compose(grant, launch.campaign, launch.renderer, self.letterhead, products)

    def _kept(self, grant: Grant) -> tuple[Pinned, Products]:
        """What was launched and what the batch shows, read once; the batches used last are kept."""
        launch, key = self.pinned.found.get(grant.launch_id), (grant.run_id, grant.batch_no)
        if launch is None or key not in self._products:
            with self.workspace.store.reading() as connection:
                launch = self.pinned.get(connection, grant.launch_id)
                shown = runs.products(connection, *key)
            if len(self._products) >= GROUP:
                del self._products[next(iter(self._products))]
            self._products[key] = tag_links(shown, launch.campaign)
        return launch, self._products[key]

    @cached_property
    def letterhead(self) -> Letterhead:
        return letterhead(self.workspace)

    def _channel(self, name: str) -> Channel:
        if name not in self._channels:
            self._channels[name] = make_channel(self.workspace, name)
        return self._channels[name]

    def _report(self, results: Sequence[Receipt], refused: int) -> None:
        self.settled += len(results) + refused
        self.sent += sum(receipt.verdict is Verdict.SENT for receipt in results)
        self.progress("sending", self.settled, self.settled)
        if results:
            rows = [(r.id, r.verdict.value, r.detail) for r in results]
            frame = pl.DataFrame(rows, schema=["message_id", "verdict", "detail"], orient="row")
            self.workspace.project.registry.observe("messages_sent", receipts=frame)

    def _take_off(self) -> int:
        with self.workspace.store.transaction() as connection:
            return flights.take_off(
                connection, host=platform.node(), boot_id=_boot_id(), pid=os.getpid(), now=self.workspace.clock.now()
            )

    async def _land(self, flight: int, groups: set[asyncio.Task[None]]) -> None:
        """After an error: wait for what was handed over. Then write down what came of everything."""
        await asyncio.gather(*groups, return_exceptions=True)
        now = self.workspace.clock.now()
        with self.workspace.store.transaction() as connection:
            sending.settle(connection, self._receipts, now=now)
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
        track=settings.links.track,
    )


_UNREPORTED = "the channel gave no receipt"
_SHOWN_OF_SHOP = {"name", "url", "currency", "language", "address", "email"}


def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""
