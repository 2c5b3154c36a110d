"""The whole project at a glance: campaigns, the last runs, and what is stopped, paused or held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from automation.delivery.silent_providers import SilentProvider, silent_providers
from automation.reporting.run_status import RunStatus, run_status
from automation.runner.campaign_status import CampaignStatus, campaign_statuses
from automation.schedule.calendar import next_times, scheduled_campaigns
from automation.schedule.due_times import Due
from automation.store import pauses, runs
from automation.store.ledger import queues
from automation.store.pauses import Pause
from automation.store.runs import RunRow
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.opened import Opened, OpenedStore
from automation.workspace.workspace import Workspace

RUNS = 10


@dataclass(frozen=True)
class Overview:
    """runs: the newest first. next_due: by campaign. next_message: when the earliest waiting message is due.

    unread: what of the project could not be read; the rest is what the store knows then.
    silent: providers that don't answer.
    """

    campaigns: Sequence[CampaignStatus]
    next_due: Mapping[str, Due]
    runs: Sequence[RunStatus]
    paused: Sequence[Pause]
    held: Sequence[RunRow]
    next_message: datetime | None
    redirect_all: str | None
    silent: Sequence[SilentProvider]
    unread: Sequence[str] = ()

    def to_json(self) -> dict[str, object]:
        return {
            "paused": [vars(pause).copy() for pause in self.paused],
            "campaigns": [self._campaign_json(campaign) for campaign in self.campaigns],
            "runs": [run.to_json() for run in self.runs],
            "next_message": self.next_message,
            "redirect_all": self.redirect_all,
            "held": [{"run": run.id, "campaign": run.campaign, **(run.hold or {})} for run in self.held],
            "silent": [provider._asdict() for provider in self.silent],
            "unread": list(self.unread),
        }

    def _campaign_json(self, campaign: CampaignStatus) -> dict[str, object]:
        due = self.next_due.get(campaign.name)
        return {
            "name": campaign.name,
            "file": campaign.file.path if campaign.file else None,
            "state": campaign.state,
            "launched_at": campaign.launched.launched_at if campaign.launched else None,
            "launched_by": campaign.launched.launched_by if campaign.launched else None,
            "next_due": due.at if due else None,
            "next_due_local": due.key if due else None,
            "problems": campaign.errors,
        }


def overview(opened: Opened) -> Overview:
    with opened.store.reading() as connection:
        last = runs.find(connection, limit=RUNS)
        paused = pauses.current_pauses(connection)
        next_message = queues.next_due(connection)
        silent = silent_providers(connection)
        held = [run for run in runs.find(connection, open_only=True, limit=1_000) if run.hold is not None]
    next_due, unread = _next_due(opened)
    return Overview(
        campaigns=campaign_statuses(opened),
        next_due=next_due,
        runs=[run_status(opened, run.id) for run in last],
        paused=paused,
        held=held,
        next_message=next_message,
        redirect_all=opened.project.settings.testing.redirect_all if opened.project is not None else None,
        unread=unread,
        silent=silent,
    )


def _next_due(opened: Opened) -> tuple[Mapping[str, Due], Sequence[str]]:
    """When each campaign is due next, and what could not be read."""
    if not isinstance(opened, Workspace):
        return {}, opened.unread if isinstance(opened, OpenedStore) else ()
    try:
        entries = scheduled_campaigns(opened, LaunchedCampaigns(opened.project))
        return next_times(opened, entries), ()
    except Exception as error:  # a damaged warehouse, in which the customers' time zones are
        return {}, (f"due times can't be told: {type(error).__name__}: {str(error).splitlines()[0]}",)
