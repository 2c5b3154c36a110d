"""Closes the runs whose messages are all settled."""

from __future__ import annotations

from automation.store import runs
from automation.store.ledger import accounts, ledger
from automation.store.runs import RunRow
from automation.types.run import Account, RunState
from automation.workspace.workspace import Workspace


def finish(workspace: Workspace) -> list[tuple[RunRow, Account]]:
    """Close every run whose messages are all settled; returns those closed now with their accounts."""
    closed = []
    with workspace.store.transaction() as connection:
        sending = [run for run in runs.find(connection, open_only=True, limit=1_000) if run.state is RunState.SENDING]
        settled = ledger.find_settled(connection, [run.id for run in sending])
        for run in sending:
            if run.id in settled:
                account = accounts.account(connection, run.id)
                runs.set_state(connection, run.id, RunState.DONE, now=workspace.clock.now())
                closed.append((run, account))
    for run, account in closed:
        seconds = (workspace.clock.now() - run.created_at).total_seconds()
        figures = {"seconds": seconds, "messages_a_second": account.sent / seconds if seconds else 0.0}
        workspace.project.registry.observe(
            "run_finished", campaign=run.campaign, run_id=str(run.id), account=account, figures=figures
        )
    return closed
