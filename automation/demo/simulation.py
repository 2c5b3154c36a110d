"""Simulated days: campaigns run when they are due, customers respond, and the events are imported at night."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from automation.clock import ManualClock
from automation.delivery.committer import Delivery
from automation.demo.behaviour import everyday, reactions
from automation.demo.deliveries import delivered
from automation.demo.shop import Shop
from automation.event_types import UNSUBSCRIBE
from automation.inbound.shop_import import import_data
from automation.runner.claim import claim
from automation.runner.finish import finish
from automation.runner.run import advance
from automation.schedule.calendar import scheduled_campaigns
from automation.schedule.due_times import Due, due_times
from automation.store.ledger import queues
from automation.store.people import consent
from automation.warehouse.importing.mapping import MappingFile
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace


@dataclass
class Simulation:
    """One shop, one workspace and a clock that only moves forward. events: everything since the start."""

    workspace: Workspace
    clock: ManualClock
    shop: Shop
    mapping: MappingFile
    files: Path
    seed: int
    events: pl.DataFrame
    pinned: LaunchedCampaigns
    _waiting: list[pl.DataFrame] = field(default_factory=list)

    def live(self, day: date) -> None:
        """One day, midnight to midnight UTC: due campaigns run, messages are sent, and events are imported."""
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        end = start + timedelta(days=1)
        for campaign, due in self._due(start, end):
            self._run(campaign, due)
        self._deliver(until=end)
        self.clock.set(end)
        self._waiting += [everyday(self.shop, start, end, seed=self.seed), self._react(start)]
        self._import(start, end)

    def _due(self, start: datetime, end: datetime) -> list[tuple[str, Due]]:
        """The launched campaigns that are due on that day, in the daemon's order."""
        found = [
            (entry.name, due)
            for entry in scheduled_campaigns(self.workspace, self.pinned)
            for due in due_times(entry.schedule, entry.zones, start, end)
        ]
        return sorted(found, key=lambda one: (one[1].at, one[0]))

    def _run(self, campaign: str, due: Due) -> None:
        self._deliver(until=due.at)
        self.clock.set(due.at)
        run = claim(self.workspace, campaign, due)
        if run is not None:
            advance(self.workspace, self.pinned, run.id)

    def _deliver(self, *, until: datetime) -> None:
        """Send every message at its due time, one due time after the other."""
        while (wave := self._next_wave()) is not None and wave < until:
            self.clock.set(max(wave, self.clock.now()))
            asyncio.run(Delivery(self.workspace, self.pinned).deliver_due())
        finish(self.workspace)

    def _next_wave(self) -> datetime | None:
        with self.workspace.store.reading() as connection:
            return queues.next_due(connection)

    def _react(self, since: datetime) -> pl.DataFrame:
        """How customers respond to the messages delivered since then."""
        with self.workspace.store.reading() as connection:
            messages = delivered(connection, since=since)
        return reactions(self.shop, messages, self.workspace.project.settings.offers, seed=self.seed)

    def _import(self, start: datetime, end: datetime) -> None:
        """Import the day's events from a file, like a shop; later events wait for their day."""
        happened = pl.concat(self._waiting)
        self._waiting = [happened.filter(pl.col("occurred_at") >= end)]
        today = happened.filter(pl.col("occurred_at") < end)
        path = self.files / f"events-{start:%Y-%m-%d}.csv"
        today.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        import_data(self.workspace, "events", [path], self.mapping)
        self._withdraw(today.filter(pl.col("type") == UNSUBSCRIBE))
        self.events = pl.concat([self.events, today])

    def _withdraw(self, unsubscribed: pl.DataFrame) -> None:
        """Withdraw the consent of customers who unsubscribed, for the topic of the message."""
        if unsubscribed.is_empty():
            return
        with self.workspace.store.transaction() as connection:
            messages = delivered(connection).select("message_id", "topic")
            for (topic,), gone in unsubscribed.join(messages, on="message_id").group_by("topic"):
                consent.record(
                    connection,
                    gone["customer_id"],
                    channel="email",
                    topic=str(topic),
                    granted=False,
                    at=self.clock.now(),
                    source="unsubscribe link",
                )
