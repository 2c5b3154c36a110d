"""Other campaigns that compete for the same cap slots: launched ones, and those due soon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from automation.errors import ConfigurationError
from automation.pipeline.audience import select_members
from automation.pipeline.caps import CapRule, CompetingRun, cap_rules
from automation.pipeline.decide import RunContext
from automation.rules.reads import reads_decisions
from automation.runner.context import reach_of
from automation.schedule.upcoming import UpcomingRun, upcoming_runs
from automation.store import launches
from automation.warehouse.embedded import Warehouse
from automation.workspace.decision_mirror import refresh_mirror
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.models_in_use import active_versions
from automation.workspace.snapshots import snapshot
from automation.workspace.workspace import Workspace


def with_competing_runs(
    workspace: Workspace, warehouse: Warehouse, pinned: LaunchedCampaigns, found: RunContext
) -> RunContext:
    """The context with what arbitration needs to know about other campaigns; unchanged without caps."""
    permission = found.eligibility.permission
    cap_request = permission.cap_request
    if cap_request is None or not cap_request.rules:
        return found
    settings = workspace.project.settings
    kind = settings.topics[found.campaign.topic]
    upcoming = upcoming_runs(workspace, pinned, found.campaign)
    stronger = [one for one in upcoming if settings.topics[one.campaign.topic] == kind]
    cap_request = replace(
        cap_request,
        others=_caps_of_all(workspace, pinned),
        upcoming=[_competing(workspace, warehouse, one) for one in stronger],
    )
    permission = replace(permission, cap_request=cap_request)
    return replace(found, eligibility=replace(found.eligibility, permission=permission))


def _caps_of_all(workspace: Workspace, pinned: LaunchedCampaigns) -> Mapping[str, Sequence[CapRule]]:
    """Every launched campaign's caps; messages of one that no longer fits config.yaml can't be deferred."""
    settings = workspace.project.settings
    found: dict[str, Sequence[CapRule]] = {}
    with workspace.store.reading() as connection:
        for name, launch in launches.current_launches(connection).items():
            try:
                campaign = pinned.get(connection, launch.id).campaign
            except ConfigurationError:
                continue
            found[name] = cap_rules(campaign, settings.caps, settings.topics)
    return found


def _competing(workspace: Workspace, warehouse: Warehouse, run: UpcomingRun) -> CompetingRun:
    """The upcoming run, with everybody who would be in it as of now."""
    campaign = run.campaign
    versions = active_versions(workspace)
    decided = reads_decisions(campaign, workspace.project.registry)
    if decided:
        refresh_mirror(workspace)
    data = snapshot(workspace, warehouse, workspace.clock.now(), with_decisions=decided, versions=versions)
    members = select_members(
        campaign.audience,
        data,
        workspace.project.registry,
        salt=f"{campaign.name}:upcoming",
        reach=reach_of(workspace, campaign, 0, workspace.clock.now()),
    )
    return CompetingRun(
        campaign=campaign.name,
        topic=campaign.topic,
        channel=campaign.first_send.channels[0],
        priority=campaign.priority,
        due_at=run.due_at,
        members=members.sort(),
    )
