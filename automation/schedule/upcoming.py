"""Higher-priority campaigns that are due within `caps.look_ahead`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from automation.schedule.calendar import next_time, scheduled_campaigns
from automation.types.campaign import Campaign
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class UpcomingRun:
    """A launched campaign and when it is due next."""

    campaign: Campaign
    due_at: datetime


def upcoming_runs(workspace: Workspace, pinned: LaunchedCampaigns, campaign: Campaign) -> list[UpcomingRun]:
    """Launched campaigns of a higher priority that are due soon; none without `caps.look_ahead`."""
    ahead = workspace.project.settings.caps.look_ahead
    if ahead is None:
        return []
    latest = workspace.clock.now() + ahead
    higher = [entry for entry in scheduled_campaigns(workspace, pinned) if entry.campaign.priority > campaign.priority]
    due = [(entry.campaign, next_time(workspace, entry)) for entry in higher]
    return [UpcomingRun(other, at.at) for other, at in due if at is not None and at.at <= latest]
