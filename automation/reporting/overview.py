"""The whole project at a glance: campaigns, the last runs, and what is stopped, paused or held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from automation.delivery.silent_providers import SilentProvider, silent_providers
from automation.reporting.run_status import RunStatus, run_status
from automation.runner.outline import CampaignOutline, Outline
from automation.store import launches, pauses, runs
from automation.store.launches import Launched
from automation.store.ledger import queues
from automation.store.pauses import Pause
from automation.store.runs import RunRow
from automation.types.run import Due

if TYPE_CHECKING:
    from automation.workspace.opened import OpenedByStatements

RUNS = 10


@dataclass(frozen=True)
class CampaignShown:
    """outline: what its file says. state: `stopped`, or the outline's. launched: its current launch."""

    outline: CampaignOutline
    state: str
    launched: Launched | None

    @property
    def name(self) -> str:
        return self.outline.name


@dataclass(frozen=True)
class Overview:
    """runs: the newest first. next_due: by campaign. next_message: when the earliest waiting message is due.

    unread: what of the project could not be read; the rest is what the store knows then.
    silent: providers that don't answer.
    """

    campaigns: Sequence[CampaignShown]
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

    def _campaign_json(self, campaign: CampaignShown) -> dict[str, object]:
        due = self.next_due.get(campaign.name)
        return {
            "name": campaign.name,
            "file": campaign.outline.file,
            "state": campaign.state,
            "launched_at": campaign.launched.launched_at if campaign.launched else None,
            "launched_by": campaign.launched.launched_by if campaign.launched else None,
            "next_due": due.at if due else None,
            "next_due_local": due.key if due else None,
            "problems": list(campaign.outline.errors),
        }


def overview(opened: OpenedByStatements, outline: Outline) -> Overview:
    """outline: of the project's files."""
    now = opened.clock.now()
    with opened.store.reading() as connection:
        launched = launches.current_launches(connection)
        last = runs.find(connection, limit=RUNS)
        paused = pauses.current_pauses(connection)
        next_message = queues.next_due(connection)
        silent = silent_providers(connection)
        held = [run for run in runs.find(connection, open_only=True, limit=1_000) if run.hold is not None]
    stopped = {pause.scope for pause in paused}
    coming = {one.name: next((due for due in one.due if due.at > now), None) for one in outline.campaigns}
    return Overview(
        campaigns=[
            CampaignShown(one, "stopped" if one.name in stopped else one.state, launched.get(one.name))
            for one in outline.campaigns
        ],
        next_due={name: due for name, due in coming.items() if due is not None},
        runs=[run_status(opened, run.id) for run in last],
        paused=paused,
        held=held,
        next_message=next_message,
        redirect_all=outline.redirect_all,
        unread=outline.unread,
        silent=silent,
    )
