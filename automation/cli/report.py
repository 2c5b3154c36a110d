"""`automation report`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.cli.report_blocks import UNRELIABLE, channels_table, difference_sentences, variants_table
from automation.event_types import PURCHASE
from automation.types.plural import format_count
from automation.types.quantity import format_duration
from automation.workspace.shop_format import ShopFormat, shop_format

if TYPE_CHECKING:
    from automation.reporting.report import Report
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
    clicks by bots are listed apart. With a holdout, the lift shows what the campaign added. Variants and channels are
    shown with their shares of the messages sent; `--format csv` prints these as a table with 95 % intervals.

    Example: automation report winback --attribution linear
    """
    from automation.reporting.figures import figures_csv
    from automation.reporting.report import report as report_campaign
    from automation.runner.refresh import flush_inbox

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        flush_inbox(workspace)
        found = report_campaign(workspace, campaign, model=attribution)
        shown = _blocks(workspace, found)
    if invocation.output.as_csv:
        invocation.output.write(figures_csv({"variant": found.variants, "channel": found.channels}))
    else:
        invocation.output.show(found.to_json(), *shown)


def _blocks(workspace: Workspace, found: Report) -> list[Block]:
    """The account, the responses, the revenue, the variants and the lift."""
    from automation.reporting.reasons import reason_text

    account = [(name.replace("_", " "), n) for name, n in vars(found.account).items() if n]
    responses = [(kind.replace("_", " "), n, _share(found, kind, n)) for kind, n in found.responses.items() if n]
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
    if found.untracked:
        shown.append(Text(_untracked(found)))
    shop = shop_format(workspace)
    shown.append(Text(_revenue(found, shop)))
    if any(found.responses[name] for name in ("opened", "opened_by_bots")):
        shown.append(Text(UNRELIABLE, "muted"))
    if found.channels:
        shown.append(channels_table(found))
    if found.variants:
        shown.append(variants_table(found, shop))
        shown += [Text(sentence) for sentence in difference_sentences(found)]
    lift = lift_sentence(found) if found.lift else f"{found.name}: no holdout, so no lift"
    return [*shown, Text(lift)]


def _share(found: Report, response: str, n: int) -> str:
    """Of the messages sent; opens and clicks, of those that were tracked."""
    counted = found.account.sent - (found.untracked if response.startswith(("opened", "clicked")) else 0)
    return f"{n / max(counted, 1):.1%}"


def _untracked(found: Report) -> str:
    left = format_count(found.untracked, "message")
    return (
        f"{left} left without pixel and tracked links, for want of a consent; opens and clicks are shares of the others"
    )


def _revenue(found: Report, shop: ShopFormat) -> str:
    """What was reached, and its worth where it has one: clicks have none."""
    worth = f" worth {shop.money(found.credit.revenue)}" if found.credit.revenue else ""
    days = found.goal.within.total_seconds() / 86_400
    within = format_count(int(days), "day") if days.is_integer() else format_duration(found.goal.within)
    return f"{_reached(found)}{worth} within {within}, credited to {_CREDITED[found.model]}"


def _reached(found: Report) -> str:
    """`12 orders`, `33 × email_click`; a share of one where several messages have the credit."""
    number = round(found.credit.conversions, 2)
    whole = int(number) if number == int(number) else None
    if found.goal.did != PURCHASE:
        return f"{number:,g} × {found.goal.did}"
    return format_count(whole, "order") if whole is not None else f"{number:,} orders"


def lift_sentence(found: Report) -> str:
    """The lift, and whether there were enough customers to be sure."""
    lift = found.lift
    assert lift is not None
    contacted, held_out = lift.contacted_converted / lift.contacted, lift.held_out_converted / lift.held_out
    did = "bought" if found.goal.did == PURCHASE else f"reached the goal ({found.goal.did})"
    sentence = (
        f"{found.name}: {contacted:.1%} of the contacted {did}, {held_out:.1%} of the held out; "
        f"lift {lift.difference:+.1%} (95 % interval {lift.low:+.1%} to {lift.high:+.1%})"
    )
    return sentence if lift.low > 0 or lift.high < 0 else f"{sentence}: too few customers to be sure"
