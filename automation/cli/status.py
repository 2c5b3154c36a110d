"""`automation status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from automation.cli.output import Block, Table, Text
from automation.types.run import RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from automation.cli.arguments import Parser
    from automation.cli.invocation import Invocation
    from automation.reporting.check import Check
    from automation.reporting.overview import Overview
    from automation.reporting.run_status import RunStatus
    from automation.runner.outline import Outline
    from automation.workspace.opened import OpenedByStatements
    from automation.workspace.shop_format import ShopFormat


def add_arguments(parser: Parser) -> None:
    """What `status` takes."""
    parser.add_argument("run", nargs="?", type=int, metavar="RUN", help="a run's number, to show its whole account")
    parser.add_data_dir()


def status(invocation: Invocation, run: int | None, data_dir: Path | None) -> None:
    """Show campaigns, runs and whether the daemon is running.

    Failures are listed last. If the project's files can't be read, it shows what the store knows.

    Example: automation status
    """
    from automation.cli.run_blocks import run_blocks
    from automation.reporting.run_status import run_status

    with invocation.outlined(data_dir) as (opened, outline):
        if run is not None:
            found = run_status(opened, run)
            invocation.output.show(found.to_json(), *run_blocks(found, outline.shop, outline.reasons))
        else:
            _show_overview(invocation, opened, outline)


def _show_overview(invocation: Invocation, opened: OpenedByStatements, outline: Outline) -> None:
    from automation.cli.test_mode import test_mode
    from automation.daemon.operation import read_operation
    from automation.reporting.overview import overview

    found, shop = overview(opened, outline), outline.shop
    operation = read_operation(opened, shop)
    health, checks = operation.health, (operation.daemon(), operation.scheduler(), operation.write_ahead_log())
    invocation.output.show(
        {"daemon": health.to_json(), **found.to_json()},
        *test_mode(outline.redirect_all),
        Text(health.describe(shop), "success" if health.alive else "warning"),
        *(_problem(check) for check in checks if check.state != "ok"),
        *(Text(why, "error") for why in (health.beat.not_launched if health.alive and health.beat else ())),
        *([Text(line, "error") for line in found.unread] if outline.files_read else []),
        *_pauses(found, shop),
        *(Text(f"NOT ANSWERING: {provider}", "error") for provider in found.silent),
        _campaigns(found, shop),
        *_runs(found.runs, shop),
        *_failures(found),
        *_held(found),
    )


def _problem(check: Check) -> Text:
    return Text(check.detail, "error") if check.state == "error" else Text(f"{check.name}: {check.detail}", "warning")


def _campaigns(found: Overview, shop: ShopFormat) -> Table:
    rows = []
    for campaign in found.campaigns:
        launch = campaign.launched
        by = f"{shop.day(launch.launched_at)} by {launch.launched_by}" if launch else ""
        rows.append((campaign.name, campaign.state, by, _next_due(found, campaign.name, shop)))
    return Table(("campaign", "state", "launched", "next due"), rows)


def _next_due(found: Overview, campaign: str, shop: ShopFormat) -> str:
    due = found.next_due.get(campaign)
    if due is None:
        return ""
    if due.local is not None:
        return shop.wall(due.local)
    return shop.time(due.at)


def _pauses(found: Overview, shop: ShopFormat) -> list[Block]:
    return [
        Text(f"{'PAUSED' if pause.reason else 'STOPPED'} since {shop.time(pause.at)}: {pause}", "error")
        for pause in found.paused
    ]


def _runs(found: Sequence[RunStatus], shop: ShopFormat) -> list[Block]:
    if not found:
        return [Text("no runs yet; start with: automation launch CAMPAIGN")]
    columns = ("run", "campaign", "began", "state", "audience", "sent", "queued", "not sent", "ambiguous")
    rows = []
    for one in found:
        account = one.account
        reached = account.sent + account.queued + account.sending + account.ambiguous + account.unplanned
        numbers = (account.audience, account.sent, account.queued, account.audience - reached, account.ambiguous)
        rows.append((one.run.id, one.run.campaign, shop.due(one.run), one.run.state.value, *numbers))
    return [Table(columns, rows)]


def _held(found: Overview) -> list[Block]:
    from automation.runner.held_runs import describe_hold

    return [
        Text(f"{describe_hold(run)}; to send it anyway: automation release {run.id}", "error") for run in found.held
    ]


def _failures(found: Overview) -> list[Block]:
    shown: list[Block] = [Text(error, "error") for campaign in found.campaigns for error in campaign.outline.errors]
    for one in found.runs:
        if one.run.state is RunState.FAILED:
            shown.append(Text(f"run {one.run.id} of {one.run.campaign} failed: {one.run.error}", "error"))
        if one.account.failed or one.account.ambiguous:
            counts = f"{one.account.failed:,} failed, {one.account.ambiguous:,} ambiguous"
            details = f"automation status {one.run.id}"
            shown.append(Text(f"run {one.run.id} of {one.run.campaign}: {counts}; details: {details}", "warning"))
    return shown
