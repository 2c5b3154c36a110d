"""Which campaigns are due within the time that `caps.look_ahead` looks ahead."""

from __future__ import annotations

from automation.daemon.agenda import agenda, next_time
from automation.runner.pinned import PinnedCampaigns
from automation.runner.rivals import Coming
from automation.runner.workspace import Workspace
from automation.store import runs
from automation.types.campaign import Campaign


def coming(workspace: Workspace, pinned: PinnedCampaigns, campaign: Campaign) -> list[Coming]:
    """Launched campaigns of a higher priority that are due before long; none where config.yaml doesn't look ahead."""
    ahead = workspace.project.settings.caps.look_ahead
    if ahead is None:
        return []
    latest = workspace.clock.now() + ahead
    rivals = [entry for entry in agenda(workspace, pinned) if entry.campaign.priority > campaign.priority]
    due = [(entry.campaign, next_time(workspace, entry)) for entry in rivals]
    return [Coming(rival, at.at) for rival, at in due if at is not None and at.at <= latest]


def coming_before(workspace: Workspace, pinned: PinnedCampaigns, run_id: int) -> list[Coming]:
    """The same for a run."""
    if workspace.project.settings.caps.look_ahead is None:
        return []
    with workspace.store.reading() as connection:
        campaign = pinned.get(connection, runs.get(connection, run_id).launch_id).campaign
    return coming(workspace, pinned, campaign)
