"""Launching: pins a campaign's file, templates and plugins by hash; the daemon runs only what was launched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from automation.config.campaigns import CampaignFile
from automation.config.project import Project
from automation.errors import AutomationError
from automation.inbound.migration.gate import channels_of, require_migration
from automation.store import launches, pauses
from automation.store.launches import Launched
from automation.workspace.campaigns import template_files, valid_campaign
from automation.workspace.workspace import Workspace

OURS = "double opt-in"
"""Who launches the campaigns that have no file: those that ask to confirm a consent."""
Standing = Literal["invalid", "draft", "launched", "changed since launch", "stopped"]


@dataclass(frozen=True)
class CampaignStanding:
    """A campaign file and where it stands."""

    file: CampaignFile | None  # none: launched once, its file since removed
    name: str
    standing: Standing
    launched: Launched | None


def may_be_launched(workspace: Workspace, name: str) -> None:
    """What can be told before a plan. Raises `ConfigurationError` for the file, `AutomationError` before moving in."""
    require_migration(workspace, channels_of(valid_campaign(workspace.project, name)))


def launch(workspace: Workspace, name: str, *, by: str, audience: int | None, approved_by: str | None = None) -> int:
    """Pin the campaign as it stands and let the daemon run it.

    Raises `AutomationError` where the audience is above `approve_above` and nobody approved, and before the first real
    message before the migration.
    """
    campaign = valid_campaign(workspace.project, name)
    require_migration(workspace, channels_of(campaign))
    limit = campaign.limits.approve_above
    if limit is not None and approved_by is None and (audience is None or audience > limit):
        size = "not known" if audience is None else f"{audience:,}"
        raise AutomationError(
            f"campaign {name!r} needs an approval: its audience is {size}, above approve_above: {limit:,}; "
            f"a second person runs: automation launch {name} --approved-by NAME"
        )
    with workspace.store.transaction() as connection:
        return launches.launch(
            connection,
            campaign=name,
            text=workspace.project.campaigns[name].text,
            templates=template_files(workspace.project, campaign),
            plugins=workspace.project.registry.versions(),
            by=by,
            approved_by=approved_by,
            audience=audience,
            now=workspace.clock.now(),
            on_ambiguous=campaign.limits.on_ambiguous,
        )


def standings(workspace: Workspace) -> list[CampaignStanding]:
    """Every campaign and where it stands, by name."""
    with workspace.store.reading() as connection:
        launched, paused = launches.launched(connection), pauses.paused_scopes(connection)
    files = workspace.project.campaigns
    found = []
    for name in sorted({*files, *launched}):
        file, pinned = files.get(name), launched.get(name)
        found.append(
            CampaignStanding(file, name, _standing(workspace.project, file, pinned, name in paused.scopes), pinned)
        )
    return found


def _standing(project: Project, file: CampaignFile | None, pinned: Launched | None, stopped: bool) -> Standing:
    if stopped:
        return "stopped"
    if file is not None and file.campaign is None:
        return "invalid"
    if pinned is None:
        return "draft"
    if file is None and pinned.launched_by == OURS:
        return "launched"
    return "launched" if file is not None and _unchanged(project, file, pinned) else "changed since launch"


def _unchanged(project: Project, file: CampaignFile, pinned: Launched) -> bool:
    from automation.ids import content_hash

    assert file.campaign is not None
    manifest = {path: content_hash(body) for path, body in template_files(project, file.campaign).items()}
    return content_hash(file.text.encode()) == pinned.campaign_sha256 and manifest == dict(pinned.templates)
