"""`automation status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.cli.run_blocks import run_blocks, run_payload
from automation.cli.test_mode import test_mode
from automation.types.run import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from automation.reporting.status import Overview, RunStatus
    from automation.schedule.due_times import Due
    from automation.workspace.workspace import Workspace

_SHOWN_RUNS = 10


def status(
    context: typer.Context,
    run: Annotated[int | None, typer.Argument(help="a run's number, for its whole account")] = None,
) -> None:
    """Show campaigns, runs and whether the daemon is running.

    Failures are listed last.

    Example: automation status
    """
    from automation.reporting.status import run_status

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        if run is not None:
            found = run_status(workspace, run)
            invocation.output.show(run_payload(found), *run_blocks(workspace, found))
        else:
            _show_overview(invocation, workspace)


def _show_overview(invocation: Invocation, workspace: Workspace) -> None:
    from automation.daemon.health import read_health
    from automation.reporting.status import overview
    from automation.schedule.calendar import agenda, next_times
    from automation.workspace.launched import LaunchedCampaigns

    found = overview(workspace, limit=_SHOWN_RUNS)
    due = next_times(workspace, agenda(workspace, LaunchedCampaigns(workspace.project)))
    health = read_health(workspace.project.data_dir, workspace.clock.now())
    payload: dict[str, object] = {
        "daemon": health.payload(),
        "stopped": [{"scope": p.scope, "at": p.at, "by": p.by, "reason": p.reason} for p in found.stopped],
        "campaigns": [_campaign_payload(found, due, name) for name in _names(found)],
        "runs": [run_payload(one) for one in found.runs],
        "next_message": found.next_message,
        "redirect_all": workspace.project.settings.testing.redirect_all,
        "held": [{"run": run.id, "campaign": run.campaign, **(run.hold or {})} for run in found.held],
    }
    invocation.output.show(
        payload,
        *test_mode(workspace.project),
        Text(health.in_words(), "good" if health.alive else "odd"),
        *(Text(why, "bad") for why in (health.beat.not_launched if health.alive and health.beat else ())),
        *_stops(found),
        _campaigns(found, due),
        *_runs(found.runs),
        *_failures(found),
        *_held(found),
    )


def _names(found: Overview) -> list[str]:
    return [standing.name for standing in found.campaigns]


def _campaign_payload(found: Overview, due: Mapping[str, Due], name: str) -> dict[str, object]:
    standing = next(one for one in found.campaigns if one.name == name)
    problems = standing.file.problems if standing.file else ()
    return {
        "name": name,
        "file": standing.file.path if standing.file else None,
        "standing": standing.standing,
        "launched_at": standing.launched.launched_at if standing.launched else None,
        "launched_by": standing.launched.launched_by if standing.launched else None,
        "next_due": due[name].at if name in due else None,
        "next_due_local": due[name].key if name in due else None,
        "problems": [str(problem) for problem in problems if problem.refuses],
    }


def _campaigns(found: Overview, due: Mapping[str, Due]) -> Table:
    rows = []
    for standing in found.campaigns:
        by = f"{standing.launched.launched_at:%Y-%m-%d} by {standing.launched.launched_by}" if standing.launched else ""
        next_ = due.get(standing.name)
        when = "" if next_ is None else f"{next_.at:%a %Y-%m-%d %H:%M} UTC"
        if next_ is not None and next_.local is not None:
            when = f"{next_.local:%a %Y-%m-%d %H:%M}, customers' time"
        rows.append((standing.name, standing.standing, by, when))
    return Table(("campaign", "standing", "launched", "next due"), rows)


def _stops(found: Overview) -> list[Block]:
    shown: list[Block] = []
    for pause in found.stopped:
        when = f"since {pause.at:%Y-%m-%d %H:%M} UTC"
        who = f"{when}: {pause.reason}" if pause.reason else f"{when} by {pause.by}"
        word = "PAUSED" if pause.reason else "STOPPED"
        shown.append(Text(f"{word}: {pause.subject}, {who}; to resume: {pause.resume_command}", "bad"))
    return shown


def _runs(found: Sequence[RunStatus]) -> list[Block]:
    if not found:
        return [Text("no run yet: automation launch CAMPAIGN, then automation run CAMPAIGN or automation daemon")]
    columns = ("run", "campaign", "due", "state", "audience", "sent", "queued", "not sent", "ambiguous")
    rows = []
    for one in found:
        account = one.account
        reached = account.sent + account.queued + account.sending + account.ambiguous + account.unplanned
        numbers = (account.audience, account.sent, account.queued, account.audience - reached, account.ambiguous)
        rows.append((one.run.id, one.run.campaign, one.run.due_key, one.run.state.value, *numbers))
    return [Table(columns, rows)]


def _held(found: Overview) -> list[Block]:
    from automation.runner.guards import told

    return [Text(f"{told(run)}; to send it anyway: automation release {run.id}", "bad") for run in found.held]


def _failures(found: Overview) -> list[Block]:
    shown: list[Block] = []
    for standing in found.campaigns:
        problems = standing.file.problems if standing.file else ()
        shown += [Text(str(p), "bad") for p in problems if p.refuses]
    for one in found.runs:
        if one.run.state is RunState.FAILED:
            shown.append(Text(f"run {one.run.id} of {one.run.campaign} failed: {one.run.error}", "bad"))
        if one.account.failed or one.account.ambiguous:
            told = f"{one.account.failed:,} failed, {one.account.ambiguous:,} ambiguous"
            shown.append(Text(f"run {one.run.id} of {one.run.campaign}: {told}; automation status {one.run.id}", "odd"))
    return shown
