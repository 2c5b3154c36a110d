"""Other campaigns that want the same places under the caps: those launched, and those due before long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from automation.errors import ConfigurationError
from automation.pipeline.caps import CapRule, Upcoming, cap_rules
from automation.pipeline.decide import Materials
from automation.rules.compiler import audience
from automation.runner.materials import active_versions, reads_decisions, snapshot
from automation.runner.pinned import PinnedCampaigns
from automation.runner.workspace import Workspace
from automation.store import launches
from automation.types.campaign import Campaign
from automation.warehouse.connect import Warehouse


@dataclass(frozen=True)
class Coming:
    """A launched campaign and when it is due next."""

    campaign: Campaign
    due_at: datetime


def against_rivals(
    workspace: Workspace, warehouse: Warehouse, pinned: PinnedCampaigns, found: Materials, coming: Sequence[Coming]
) -> Materials:
    """The materials with what arbitration must know of other campaigns; nothing is asked where there are no caps."""
    claims = found.terms.claims
    if claims is None or not claims.rules:
        return found
    settings = workspace.project.settings
    kind = settings.topics[found.campaign.topic]
    stronger = [
        c for c in coming if c.campaign.priority > claims.priority and settings.topics[c.campaign.topic] == kind
    ]
    claims = replace(
        claims,
        others=_caps_of_all(workspace, pinned),
        upcoming=[_upcoming(workspace, warehouse, rival) for rival in stronger],
    )
    return replace(found, terms=replace(found.terms, claims=claims))


def _caps_of_all(workspace: Workspace, pinned: PinnedCampaigns) -> Mapping[str, Sequence[CapRule]]:
    """Every launched campaign's caps; one that no longer fits config.yaml can't be put off."""
    settings = workspace.project.settings
    found: dict[str, Sequence[CapRule]] = {}
    with workspace.store.reading() as connection:
        for name, launch in launches.launched(connection).items():
            try:
                campaign = pinned.get(connection, launch.id).campaign
            except ConfigurationError:
                continue
            found[name] = cap_rules(campaign, settings.caps, settings.topics)
    return found


def _upcoming(workspace: Workspace, warehouse: Warehouse, rival: Coming) -> Upcoming:
    """The run that is still to come, with everybody who would be in it by what is known now."""
    campaign = rival.campaign
    assert campaign.send is not None
    versions = active_versions(workspace)
    decided = reads_decisions(campaign)
    data = snapshot(workspace, warehouse, workspace.clock.now(), with_decisions=decided, versions=versions)
    members = audience(campaign.audience, data, workspace.project.registry, salt=f"{campaign.name}:coming")
    return Upcoming(
        campaign=campaign.name,
        topic=campaign.topic,
        channel=campaign.send.channels[0],
        priority=campaign.priority,
        due_at=rival.due_at,
        members=members.select("customer_id").to_polars()["customer_id"],
    )
