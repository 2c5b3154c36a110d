"""What `status` shows of a project's files: its campaigns, when they are due, and the shop's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from automation.types.run import Due
from automation.workspace.fingerprint import table_fingerprint
from automation.workspace.shop_format import UNKNOWN_SHOP, ShopFormat

if TYPE_CHECKING:
    from automation.runner.campaign_status import CampaignStatus
    from automation.schedule.calendar import ScheduledCampaign
    from automation.workspace.opened import Opened
    from automation.workspace.workspace import Workspace

_MOST_TIMES = 100


@dataclass(frozen=True)
class CampaignOutline:
    """file: its path in the project; None without one. state: as if it were not stopped. errors: what makes it invalid.

    due: the next times that it is due; empty if it never is again.
    """

    name: str
    file: str | None
    state: str
    errors: tuple[str, ...] = ()
    due: tuple[Due, ...] = ()


@dataclass(frozen=True)
class Outline:
    """redirect_all: of config.yaml. reasons: the reason codes of the suppression plugins, in words.

    launches: the ids of the current ones. zones: the fingerprint of the customers, where their time zones matter.
    files_read: False where the project's files could not be read. unread: what could not be read, one sentence each.
    whole: whether all of it was read, and nothing of it from a warehouse whose changes can't be seen from here.
    """

    campaigns: Sequence[CampaignOutline] = ()
    launches: tuple[int, ...] = ()
    shop: ShopFormat = UNKNOWN_SHOP
    redirect_all: str | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    zones: str | None = None
    files_read: bool = True
    unread: tuple[str, ...] = ()
    whole: bool = True


def read_outline(opened: Opened) -> Outline:
    """The outline as the files are now; the launched campaigns alone where they were not read."""
    from automation.runner.campaign_status import unstopped_statuses
    from automation.workspace.opened import OpenedStore
    from automation.workspace.workspace import Workspace

    found = unstopped_statuses(opened)
    if isinstance(opened, Workspace):
        return _outline_of_project(opened, found)
    unread = opened.unread if isinstance(opened, OpenedStore) else ()
    return Outline([_campaign(one) for one in found], files_read=False, unread=unread, whole=False)


def _outline_of_project(workspace: Workspace, found: Sequence[CampaignStatus]) -> Outline:
    from automation.workspace.shop_format import shop_format
    from automation.workspace.suppressions import suppression_reasons

    settings, launches = workspace.project.settings, [one.launched.id for one in found if one.launched is not None]
    customers = customers_fingerprint(workspace.data_dir)  # before they are read
    unread: tuple[str, ...] = ()
    try:
        entries, all_fit = _scheduled(workspace, len(launches))
        due = {entry.name: coming[:_MOST_TIMES] for entry, coming in entries}
        uses_zones = any(entry.schedule.timezone == "customer" for entry, _ in entries)
    except Exception as error:  # a damaged warehouse, in which the customers' time zones are
        due, uses_zones, all_fit = {}, True, False
        unread = (f"due times can't be told: {type(error).__name__}: {str(error).splitlines()[0]}",)
    return Outline(
        campaigns=[_campaign(one, due.get(one.name, ())) for one in found],
        launches=tuple(sorted(launches)),
        shop=shop_format(workspace),
        redirect_all=settings.testing.redirect_all,
        reasons=suppression_reasons(workspace.project.registry),
        zones=customers if uses_zones else None,
        unread=unread,
        whole=all_fit and not (uses_zones and settings.warehouse is not None),
    )


def customers_fingerprint(data_dir: Path) -> str:
    return table_fingerprint(data_dir / "warehouse" / "customers")


def _scheduled(workspace: Workspace, launched: int) -> tuple[list[tuple[ScheduledCampaign, list[Due]]], bool]:
    """The campaigns with a schedule and their next due times; and whether every launched one fits config.yaml."""
    from automation.schedule.calendar import coming_times, scheduled_campaigns
    from automation.workspace.launched import LaunchedCampaigns

    pinned = LaunchedCampaigns(workspace.project)
    entries = scheduled_campaigns(workspace, pinned)
    return [(entry, coming_times(workspace, entry)) for entry in entries], len(pinned.found) == launched


def _campaign(status: CampaignStatus, due: Sequence[Due] = ()) -> CampaignOutline:
    file = status.file.path if status.file is not None else None
    return CampaignOutline(status.name, file, status.state, tuple(status.errors), tuple(due))
