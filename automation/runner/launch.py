"""Launching: pins a campaign's file, templates and plugins by hash; the daemon runs only what was launched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from automation.errors import AutomationError
from automation.inbound.migration.gate import channels_of, require_migration
from automation.runner.campaign_problems import refuse_warnings
from automation.runner.guards import refuse_unusual_size
from automation.runner.plan import Plan, plan
from automation.runner.preflight import Extent, refuse_errors
from automation.schedule.calendar import next_time, scheduled_campaigns
from automation.store import launches, runs
from automation.types.progress import Progress, quiet
from automation.workspace.campaigns import template_files, valid_campaign
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class LaunchResult:
    """launch_id: None where somebody saw the plan and declined. next_due: None where no run is due."""

    campaign: str
    plan: Plan
    launch_id: int | None
    next_due: datetime | None


@dataclass(frozen=True)
class LaunchOptions:
    """How a plan is made and what is accepted in it. approved_by: for a campaign with `approve_above`."""

    samples: int = 3
    preflight: Extent = "all"
    ignore_preflight: bool = False
    override_guards: bool = False
    accept_warnings: bool = False
    approved_by: str | None = None


def plan_and_launch(
    workspace: Workspace,
    name: str,
    options: LaunchOptions,
    *,
    by: str,
    show: Callable[[Plan], None] = lambda _plan: None,
    agree: Callable[[], bool] = lambda: True,
    progress: Progress = quiet,
) -> LaunchResult:
    """Plan the campaign, show the plan, refuse what must not be launched, ask whether to launch it, and launch it.

    Raises `ConfigurationError` for an invalid file, and `AutomationError` where `validate` warns, messages have errors,
    the audience is unusually large or not approved, or the migration from another tool is not complete.
    """
    require_migration(workspace, channels_of(valid_campaign(workspace.project, name)))
    planned = plan(workspace, name, samples=options.samples, preflight=options.preflight, progress=progress)
    show(planned)
    if not options.ignore_preflight:
        refuse_errors(name, planned.preflight)
    if not options.accept_warnings:
        refuse_warnings(name, planned.problems)
    if not options.override_guards:
        refuse_unusual_size(workspace, name, planned.audience)
    if not agree():
        return LaunchResult(name, planned, None, None)
    launch_id = launch(
        workspace, name, by=by, audience=planned.audience, approved_by=options.approved_by, templates=planned.templates
    )
    return LaunchResult(name, planned, launch_id, _next_due(workspace, name))


def launch(
    workspace: Workspace,
    name: str,
    *,
    by: str,
    audience: int | None,
    approved_by: str | None = None,
    templates: Mapping[str, bytes] | None = None,
) -> int:
    """Pin the campaign's file and plugins as they were opened, and let the daemon run it; returns the launch's number.

    templates: the files that the plan showed; by default those of the project now.
    Raises `AutomationError` where the audience is above `approve_above` and nobody approved it, and where a channel
    really sends before the migration from another tool is complete.
    """
    campaign = valid_campaign(workspace.project, name)
    require_migration(workspace, channels_of(campaign))
    limit = campaign.limits.approve_above
    if limit is not None and approved_by is None and (audience is None or audience > limit):
        size = "unknown" if audience is None else f"{audience:,}"
        raise AutomationError(
            f"campaign {name!r} needs an approval: its audience is {size}, above approve_above: {limit:,}; "
            f"a second person runs: automation launch {name} --approved-by NAME"
        )
    templates = template_files(workspace.project, campaign) if templates is None else templates
    with workspace.store.transaction() as connection:
        number = launches.launch(
            connection,
            campaign=name,
            text=workspace.project.campaigns[name].text,
            templates=templates,
            plugins=workspace.project.registry.versions(),
            by=by,
            approved_by=approved_by,
            audience=audience,
            now=workspace.clock.now(),
            on_ambiguous=campaign.limits.on_ambiguous,
        )
        if campaign.starts_when is not None:
            test = workspace.project.settings.testing.redirect_all is not None
            now = workspace.clock.now()
            runs.open_standing(connection, campaign=name, launch_id=number, now=now, test=test)
        return number


def _next_due(workspace: Workspace, name: str) -> datetime | None:
    entries = scheduled_campaigns(workspace, LaunchedCampaigns(workspace.project))
    due = next((next_time(workspace, entry) for entry in entries if entry.name == name), None)
    return None if due is None else due.at
