"""`automation report`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.types.plural import format_count

if TYPE_CHECKING:
    from automation.experiment.analysis import Lift
    from automation.reporting.report import Credit, Report
    from automation.workspace.workspace import Workspace

_CREDITED = {
    "last": "the last message before",
    "first": "the first message before",
    "linear": "all messages before in equal parts",
}


def report(
    context: typer.Context,
    campaign: Annotated[str, typer.Argument(help="the campaign's name")],
    attribution: Annotated[
        Literal["last", "first", "linear"],
        typer.Option(help="which of a customer's messages a purchase is credited to"),
    ] = "last",
) -> None:
    """Report a campaign's results: recipients, responses, revenue and lift.

    A purchase is credited to the customer's messages within the goal's time before it, of any campaign. Opens and
    clicks by bots are listed apart. With a holdout, the lift shows what the campaign added.

    Example: automation report winback --attribution linear
    """
    from automation.reporting.report import report as report_campaign
    from automation.runner.refresh import flush_inbox

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        flush_inbox(workspace)
        found = report_campaign(workspace, campaign, model=attribution)
        shown = _blocks(workspace, found)
    invocation.output.show(found.to_json(), *shown)


def _blocks(workspace: Workspace, found: Report) -> list[Block]:
    """The account, the responses, the revenue, the variants and the lift."""
    from automation.reporting.reasons import reason_text

    account = [(name.replace("_", " "), n) for name, n in vars(found.account).items() if n]
    sent = found.account.sent or 1
    responses = [(kind.replace("_", " "), n, f"{n / sent:.1%}") for kind, n in found.responses.items() if n]
    description = f": {found.description}" if found.description else ""
    shown: list[Block] = [
        Text(f"{found.name}, {format_count(found.runs, 'run')}{description}", "strong"),
        Table(("account", "customers"), account),
    ]
    if found.reasons:
        reasons = [(reason_text(workspace, code), n) for code, n in found.reasons.items()]
        shown.append(Table(("no message because", "customers"), reasons))
    if responses:
        shown.append(Table(("response", "messages", "of those sent"), responses))
    shown.append(Text(_revenue(found)))
    if found.variants:
        rows = [(name, v.sent, v.responses["clicked"], *_worth(v.credit)) for name, v in found.variants.items()]
        shown.append(Table(("variant", "sent", "clicked", found.goal.did, found.currency), rows))
    lift = lift_sentence(found.name, found.lift) if found.lift else f"{found.name}: no holdout, so no lift"
    return [*shown, Text(lift)]


def _revenue(found: Report) -> str:
    conversions, revenue = _worth(found.credit)
    days = found.goal.within.total_seconds() / 86_400
    return (
        f"{conversions:,} × {found.goal.did} worth {revenue:,.2f} {found.currency} within {days:g} days, "
        f"credited to {_CREDITED[found.model]}"
    )


def _worth(credit: Credit) -> tuple[float, float]:
    return round(credit.conversions, 2), credit.revenue


def lift_sentence(name: str, lift: Lift) -> str:
    """The lift, and whether there were enough customers to be sure."""
    contacted, held_out = lift.contacted_converted / lift.contacted, lift.held_out_converted / lift.held_out
    sentence = (
        f"{name}: {contacted:.1%} of the contacted bought, {held_out:.1%} of the held out; "
        f"lift {lift.difference:+.1%} (95 % interval {lift.low:+.1%} to {lift.high:+.1%})"
    )
    return sentence if lift.low > 0 or lift.high < 0 else f"{sentence}: too few customers to be sure"
