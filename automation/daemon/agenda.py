"""What is due: the launched campaigns' schedules against the store, after downtime as well as on time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from automation.daemon.due import missed, next_due
from automation.errors import AutomationError, Stopped
from automation.pipeline.timing import DEFAULT_LATENESS, instant_of
from automation.runner.pinned import PinnedCampaigns
from automation.runner.run import Due, claim
from automation.runner.workspace import Workspace
from automation.store import launches, pauses, runs, schedules
from automation.store.launches import Launched
from automation.store.runs import RunRow
from automation.types.campaign import Campaign, Schedule
from automation.types.run import RunKind

log = structlog.get_logger(__name__)

ON_TIME = timedelta(minutes=5)
"""A due time that is handled within this of its instant was not missed."""


@dataclass(frozen=True)
class Entry:
    """A launched campaign with a schedule, and the zones that its times are meant in."""

    launch: Launched
    campaign: Campaign
    schedule: Schedule
    zones: Sequence[ZoneInfo]

    @property
    def name(self) -> str:
        return self.campaign.name


def agenda(workspace: Workspace, pinned: PinnedCampaigns, zones: Sequence[ZoneInfo] | None = None) -> list[Entry]:
    """Every launched campaign that has a schedule; one that no longer fits config.yaml is logged and left out.

    zones: those of the customers, read from the warehouse when not given.
    """
    with workspace.store.reading() as connection:
        found = launches.launched(connection)
    entries = []
    for name, launch in sorted(found.items()):
        try:
            with workspace.store.reading() as connection:
                campaign = pinned.get(connection, launch.id).campaign
        except AutomationError as error:
            log.error("campaign can't run", campaign=name, because=str(error))
            continue
        if campaign.schedule is not None:
            if campaign.schedule.timezone == "customer" and zones is None:
                zones = customer_zones(workspace)
            meant = schedule_zones(workspace, campaign.schedule, zones or ())
            entries.append(Entry(launch, campaign, campaign.schedule, meant))
    return entries


def schedule_zones(workspace: Workspace, schedule: Schedule, customers: Sequence[ZoneInfo]) -> Sequence[ZoneInfo]:
    """The zones that a schedule's wall times are meant in; never empty."""
    shop = ZoneInfo(workspace.project.settings.shop.timezone)
    if schedule.timezone == "customer":
        interval = schedule.every is not None and " " not in schedule.every.strip()
        return [shop] if interval or not customers else customers
    return [shop if schedule.timezone == "shop" else ZoneInfo(schedule.timezone)]


def customer_zones(workspace: Workspace) -> list[ZoneInfo]:
    """The distinct time zones of the customers; the shop's stands in for unknown ones, and for none at all."""
    from automation.pipeline.timing import zone_or

    shop = workspace.project.settings.shop.timezone
    warehouse = workspace.warehouse()
    try:
        names = warehouse.table("customers").select("timezone").distinct().to_polars()["timezone"].to_list()
    finally:
        warehouse.close()
    found = {zone_or(name or shop, shop).key for name in names} or {shop}
    return [ZoneInfo(name) for name in sorted(found)]


def next_time(workspace: Workspace, entry: Entry) -> Due | None:
    """When the campaign is due next."""
    return next_due(entry.schedule, entry.zones, workspace.clock.now(), holidays=workspace.project.settings.holidays)


def claim_due(workspace: Workspace, entry: Entry) -> list[RunRow]:
    """Make the runs exist that are due by now; a due time that passed while nothing ran is treated by `catch_up`.

    What was looked at once is not looked at again: due times that were too late, or fell into a stop, never come back.
    """
    now = workspace.clock.now()
    with workspace.store.reading() as connection:
        if pauses.stopped(connection).scopes & {pauses.CLOCK, pauses.RESTORED}:
            return []  # nothing is passed over: what is due is looked at when they are lifted
        seen = [schedules.handled(connection, entry.name), runs.last_due(connection, entry.name)]
    since = max(at for at in (entry.launch.launched_at, *seen) if at is not None)
    found = missed(entry.schedule, entry.zones, since, now, holidays=workspace.project.settings.holidays)
    made = [run for due in _to_run(entry, found, now) if (run := _claim(workspace, entry, due)) is not None]
    if found:
        with workspace.store.transaction() as connection:
            schedules.set_handled(connection, [entry.name], found[-1].at)
    return made


def resume(workspace: Workspace, name: str | None) -> bool:
    """Take a stop back; returns whether there was one. What was due meanwhile counts as handled."""
    with workspace.store.transaction() as connection:
        stopped = launches.resume(connection, name or launches.EVERYTHING)
        if stopped:
            names = [name] if name is not None else list(launches.launched(connection))
            schedules.set_handled(connection, names, workspace.clock.now())
    return stopped


def local_time(run: RunRow, campaign: Campaign) -> datetime | None:
    """The due wall time of a run in `timezone: customer`, which is its key."""
    follows = campaign.schedule is not None and campaign.schedule.timezone == "customer"
    has_local = follows and run.kind is RunKind.SCHEDULE and not run.due_key.endswith("Z")
    return datetime.fromisoformat(run.due_key) if has_local else None


def _to_run(entry: Entry, found: Sequence[Due], now: datetime) -> list[Due]:
    oldest = now - (entry.schedule.max_lateness or DEFAULT_LATENESS)
    in_time = [due for due in found if _last_instant(due, entry.zones) >= oldest]
    if entry.schedule.catch_up == "latest":
        in_time = in_time[-1:]
    elif entry.schedule.catch_up == "none":
        in_time = [due for due in in_time[-1:] if now - due.at <= ON_TIME]
    for due in found:
        if due not in in_time:
            log.warning("due time passed over", campaign=entry.name, due=due.key, catch_up=entry.schedule.catch_up)
    return in_time


def _last_instant(due: Due, zones: Sequence[ZoneInfo]) -> datetime:
    """When the last zone reaches the wall time."""
    return due.at if due.local is None else max(instant_of(due.local, zone) for zone in zones)


def _claim(workspace: Workspace, entry: Entry, due: Due) -> RunRow | None:
    try:
        return claim(workspace, entry.name, due)
    except Stopped as stopped:
        log.warning("due time passed over", campaign=entry.name, due=due.key, because=str(stopped))
    return None


def next_times(workspace: Workspace, entries: Sequence[Entry]) -> Mapping[str, Due]:
    """By campaign, when it is due next; a campaign that is never due again is absent."""
    found = {entry.name: next_time(workspace, entry) for entry in entries}
    return {name: due for name, due in found.items() if due is not None}
