"""What runs and campaigns stand at, for people who watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from automation.runner.launch import CampaignStanding, standings
from automation.store import pauses, runs
from automation.store.ledger import ambiguous as ambiguity
from automation.store.ledger import decisions, ledger, queues
from automation.store.ledger.ambiguous import Ambiguous
from automation.store.pauses import Pause
from automation.store.runs import RunRow
from automation.types.run import Account
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class RunStatus:
    """A run with its account; the account always adds up."""

    run: RunRow
    account: Account
    reasons: Mapping[tuple[str, str], int]
    variants: Mapping[tuple[str, str], int]
    ambiguous: Sequence[Ambiguous] = ()
    """Messages that may have arrived and are not sent again."""


@dataclass(frozen=True)
class Overview:
    """The whole project at a glance."""

    campaigns: Sequence[CampaignStanding]
    runs: Sequence[RunStatus]
    stopped: Sequence[Pause]
    next_message: datetime | None
    held: Sequence[RunRow] = ()


def overview(workspace: Workspace, *, limit: int = 10) -> Overview:
    with workspace.store.reading() as connection:
        found = runs.find(connection, limit=limit)
        stopped = pauses.current_pauses(connection)
        next_message = queues.next_due(connection)
        held = [run for run in runs.find(connection, open_only=True, limit=1_000) if run.hold is not None]
    return Overview(standings(workspace), [run_status(workspace, run.id) for run in found], stopped, next_message, held)


def run_status(workspace: Workspace, run_id: int) -> RunStatus:
    """Raises `StoreError` where there is no such run."""
    with workspace.store.reading() as connection:
        return RunStatus(
            runs.get(connection, run_id),
            ledger.account(connection, run_id),
            decisions.reasons(connection, run_id),
            decisions.variants(connection, run_id),
            ambiguity.of_run(connection, run_id),
        )
