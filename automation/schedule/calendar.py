"""The launched campaigns with a schedule, and when each is due next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from automation.errors import AutomationError
from automation.schedule.due_times import Due, coming_due_times
from automation.store import launches
from automation.store.launches import Launched
from automation.store.runs import RunRow
from automation.types.campaign import Campaign
from automation.types.run import RunKind
from automation.types.schedule import Schedule
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ScheduledCampaign:
    """A launched campaign with a schedule, and the time zones that its times are in."""

    launch: Launched
    campaign: Campaign
    schedule: Schedule
    zones: Sequence[ZoneInfo]

    @property
    def name(self) -> str:
        return self.campaign.name


def scheduled_campaigns(
    workspace: Workspace, pinned: LaunchedCampaigns, read_zones: Callable[[], Sequence[ZoneInfo]] | None = None
) -> list[ScheduledCampaign]:
    """Every launched campaign with a schedule; one that no longer fits config.yaml is logged and left out.

    read_zones: gives the customers' zones; by default they are read from the warehouse here. Called at most once.
    """
    zones: Sequence[ZoneInfo] | None = None
    with workspace.store.reading() as connection:
        found = launches.current_launches(connection)
    entries = []
    for name, launch in sorted(found.items()):
        try:
            with workspace.store.reading() as connection:
                campaign = pinned.get(connection, launch.id).campaign
        except AutomationError as error:
            log.error("campaign cannot run", campaign=name, because=str(error))
            continue
        if campaign.schedule is not None:
            if campaign.schedule.timezone == "customer" and zones is None:
                zones = customer_zones(workspace) if read_zones is None else read_zones()
            meant = schedule_zones(workspace, campaign.schedule, zones or ())
            entries.append(ScheduledCampaign(launch, campaign, campaign.schedule, meant))
    return entries


def schedule_zones(workspace: Workspace, schedule: Schedule, customers: Sequence[ZoneInfo]) -> Sequence[ZoneInfo]:
    """The time zones of a schedule's wall times; never empty."""
    shop = ZoneInfo(workspace.project.settings.shop.timezone)
    if schedule.timezone == "customer":
        interval = schedule.every is not None and schedule.every.interval is not None
        return [shop] if interval or not customers else customers
    return [shop if schedule.timezone == "shop" else ZoneInfo(schedule.timezone)]


def customer_zones(workspace: Workspace) -> list[ZoneInfo]:
    """The distinct time zones of the customers; the shop's for unknown ones, and if there are none."""
    from automation.pipeline.timing import zone_or_default

    shop = workspace.project.settings.shop.timezone
    warehouse = workspace.warehouse()
    try:
        names = warehouse.table("customers").select("timezone").distinct().to_polars()["timezone"].to_list()
    finally:
        warehouse.close()
    found = {zone_or_default(name or shop, shop).key for name in names} or {shop}
    return [ZoneInfo(name) for name in sorted(found)]


def next_time(workspace: Workspace, entry: ScheduledCampaign) -> Due | None:
    """When the campaign is due next."""
    return next(iter(coming_times(workspace, entry)), None)


def coming_times(workspace: Workspace, entry: ScheduledCampaign) -> list[Due]:
    """When the campaign is due next, and some times after that; none if it is never due again."""
    holidays, now = workspace.project.settings.holidays, workspace.clock.now()
    return coming_due_times(entry.schedule, entry.zones, now, holidays=holidays, launched=entry.launch.launched_at)


def local_time(run: RunRow, campaign: Campaign) -> datetime | None:
    """The due wall time of a run in `timezone: customer`, which is its key."""
    follows = campaign.schedule is not None and campaign.schedule.timezone == "customer"
    has_local = follows and run.kind is RunKind.SCHEDULE and not run.due_key.endswith("Z")
    return datetime.fromisoformat(run.due_key) if has_local else None


def next_times(workspace: Workspace, entries: Sequence[ScheduledCampaign]) -> Mapping[str, Due]:
    """By campaign, when it is due next; a campaign that is never due again is absent."""
    found = {entry.name: next_time(workspace, entry) for entry in entries}
    return {name: due for name, due in found.items() if due is not None}
