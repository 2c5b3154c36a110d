"""`automation report`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text

if TYPE_CHECKING:
    from automation.experiment.analysis import Lift
    from automation.reporting.report import Credit, Report


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
    from automation.reporting.report import report as tell

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        told = tell(workspace, campaign, model=attribution)
        currency = workspace.project.settings.shop.currency
    invocation.output.show(payload(told), *blocks(told, currency))


def payload(told: Report) -> dict[str, object]:
    """The report for programs."""
    return {
        "campaign": told.name,
        "goal": {"did": told.goal.did, "within_seconds": told.goal.within.total_seconds()},
        "attribution": told.model,
        "runs": told.runs,
        "account": vars(told.account).copy(),
        "adds_up": told.account.adds_up,
        "reasons": dict(told.reasons),
        "answers": dict(told.answers),
        "credit": vars(told.credit).copy(),
        "held_out": vars(told.held_out).copy(),
        "variants": {
            name: {"sent": one.sent, "answers": dict(one.answers), "credit": vars(one.credit).copy()}
            for name, one in told.variants.items()
        },
        "lift": vars(told.lift).copy() if told.lift else None,
    }


def blocks(told: Report, currency: str) -> list[Block]:
    """The funnel, the answers, what was earned, the variants and the lift."""
    account = [(name.replace("_", " "), n) for name, n in vars(told.account).items() if n]
    sent = told.account.sent or 1
    answers = [(kind.replace("_", " "), n, f"{n / sent:.1%}") for kind, n in told.answers.items() if n]
    shown: list[Block] = [
        Text(f"{told.name}: {told.runs:,} runs" + (f", {told.description}" if told.description else ""), "loud"),
        Table(("what became of the audience", "customers"), account),
    ]
    if told.reasons:
        shown.append(Table(("no message because", "customers"), list(told.reasons.items())))
    if answers:
        shown.append(Table(("answered", "messages", "of those sent"), answers))
    shown += [Text(_earned(told, currency))]
    if told.variants:
        rows = [(name, v.sent, v.answers["clicked"], *_worth(v.credit)) for name, v in told.variants.items()]
        shown.append(Table(("variant", "sent", "clicked", told.goal.did, currency), rows))
    return [*shown, Text(lift_told(told.name, told.lift) if told.lift else f"{told.name}: no holdout, so no lift")]


def _earned(told: Report, currency: str) -> str:
    conversions, revenue = _worth(told.credit)
    days = told.goal.within.total_seconds() / 86_400
    return (
        f"{conversions:,} × {told.goal.did} worth {revenue:,.2f} {currency} within {days:g} days, "
        f"credited to {_SHARED[told.model]}"
    )


_SHARED = {
    "last": "the last message before",
    "first": "the first message before",
    "linear": "all messages before in equal parts",
}


def _worth(credit: Credit) -> tuple[float, float]:
    return round(credit.conversions, 2), credit.revenue


def lift_told(name: str, lift: Lift) -> str:
    """The lift in one sentence, and whether it is sure."""
    share, without = lift.contacted_converted / lift.contacted, lift.held_out_converted / lift.held_out
    told = (
        f"{name}: {share:.1%} of the contacted bought, {without:.1%} of the held out; "
        f"{lift.difference:+.1%} (95 % interval {lift.low:+.1%} to {lift.high:+.1%})"
    )
    return told if lift.low > 0 or lift.high < 0 else f"{told}: too few to be sure"
