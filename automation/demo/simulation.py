"""Simulated days: campaigns run when they are due, customers react, and the shop's events are imported at night."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from automation.clock import ManualClock
from automation.demo.behaviour import everyday, reactions
from automation.demo.deliveries import delivered
from automation.demo.shop import Shop
from automation.pipeline.timing import instant_of
from automation.runner.delivery import Delivery
from automation.runner.importing import import_data
from automation.runner.pinned import PinnedCampaigns
from automation.runner.run import Due, advance, claim, finish
from automation.runner.workspace import Workspace
from automation.store import consent, sending
from automation.types.campaign import Schedule
from automation.types.run import RunKind
from automation.types.schedule import parse_every
from automation.warehouse.mapping import MappingFile

EASTERNMOST = ZoneInfo("Europe/Helsinki")
"""Where the shop's day begins: a run of `timezone: customer` starts when it is due there."""


@dataclass
class Simulation:
    """One shop, one workspace and a clock that only moves forward. `events` is all that happened since the start."""

    workspace: Workspace
    clock: ManualClock
    shop: Shop
    mapping: MappingFile
    files: Path
    seed: int
    events: pl.DataFrame
    pinned: PinnedCampaigns
    _waiting: list[pl.DataFrame] = field(default_factory=list)

    def live(self, day: date, campaigns: Mapping[str, Schedule]) -> None:
        """One day of the shop, midnight to midnight UTC: what is due runs and leaves, and what happened is imported."""
        for name, local in sorted(_due_on(day, campaigns), key=lambda due: due[1]):
            self._run(name, local)
        end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        self._deliver(until=end)
        self.clock.set(end)
        start = end - timedelta(days=1)
        self._waiting += [everyday(self.shop, start, end, seed=self.seed), self._react(start)]
        self._import(start, end)

    def _run(self, campaign: str, local: datetime) -> None:
        at = instant_of(local, EASTERNMOST)
        self._deliver(until=at)
        self.clock.set(at)
        run = claim(self.workspace, campaign, Due(RunKind.SCHEDULE, local.isoformat(timespec="minutes"), at, local))
        if run is not None:
            advance(self.workspace, self.pinned, run.id, local=local)

    def _deliver(self, *, until: datetime) -> None:
        """Let every message leave at the time at which it is due, wave by wave."""
        while (wave := self._next_wave()) is not None and wave < until:
            self.clock.set(max(wave, self.clock.now()))
            asyncio.run(Delivery(self.workspace, self.pinned).deliver_due())
        finish(self.workspace)

    def _next_wave(self) -> datetime | None:
        with self.workspace.store.reading() as connection:
            return sending.next_due(connection)

    def _react(self, since: datetime) -> pl.DataFrame:
        """How customers answer what was delivered since then."""
        with self.workspace.store.reading() as connection:
            messages = delivered(connection, since=since)
        return reactions(self.shop, messages, self.workspace.project.settings.offers, seed=self.seed)

    def _import(self, start: datetime, end: datetime) -> None:
        """The day's events, in the shop's file format, by the ordinary import; later ones wait for their day."""
        happened = pl.concat(self._waiting)
        self._waiting = [happened.filter(pl.col("occurred_at") >= end)]
        today = happened.filter(pl.col("occurred_at") < end)
        path = self.files / f"events-{start:%Y-%m-%d}.csv"
        today.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        import_data(self.workspace, "events", [path], self.mapping)
        self._withdraw(today.filter(pl.col("type") == "unsubscribe"))
        self.events = pl.concat([self.events, today])

    def _withdraw(self, unsubscribed: pl.DataFrame) -> None:
        """Take back the consent of who unsubscribed, for the topic of the message."""
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


def _due_on(day: date, campaigns: Mapping[str, Schedule]) -> Sequence[tuple[str, datetime]]:
    """The campaigns due on that day, each with its wall time."""
    found = []
    for name, schedule in campaigns.items():
        every = parse_every(schedule.every or "")
        if day.weekday() in every.weekdays and every.time is not None:
            found.append((name, datetime.combine(day, every.time)))
    return found
