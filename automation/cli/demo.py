"""`automation demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.event_types import PURCHASE
from automation.types.plural import format_count

if TYPE_CHECKING:
    from automation.demo.story import DemoSummary


def demo(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Option(help="the folder to create it in; by default a temporary one", resolve_path=True)
    ] = None,
    customers: Annotated[int, typer.Option(help="number of customers", min=200)] = 3_000,
    seed: Annotated[int, typer.Option(help="a different seed creates a different shop")] = 7,
) -> None:
    """Create a demo shop and run three campaigns in it, within a minute.

    Simulates two weeks in which customers open, click and buy. Nothing leaves this machine.

    Example: automation demo --folder demo-shop
    """
    import tempfile

    from automation.demo.story import run_demo

    invocation: Invocation = context.obj
    root = folder or Path(tempfile.mkdtemp(prefix="automation-demo-"))
    summary = run_demo(root, seed=seed, customers=customers, step=invocation.output.note)
    invocation.output.show(summary.to_json(), *_blocks(summary))


def _blocks(summary: DemoSummary) -> list[Block]:
    from automation.cli.report import lift_sentence

    parts = ((summary.customers, "customer"), (summary.products, "product"), (summary.events, "event"))
    shop = ", ".join(format_count(n, noun) for n, noun in parts)
    shown: list[Block] = [
        Text(f"\nA shop with {shop}; {format_count(summary.days, 'day')} from {summary.first_day}", "strong"),
        Table(("model", "usable", "because"), [(m.name, m.admitted, m.because) for m in summary.models]),
        _results(summary),
        *(Text(lift_sentence(one)) for one in summary.campaigns if one.lift),
        *_variants(summary),
        *_example(summary),
        Text(f"\nThe project is in {summary.folder}, every message in {summary.outbox}. Continue with\n"
             f"  cd {summary.folder}\n  automation status\n  automation explain {_example_arguments(summary)}"),
        Text(f"{summary.seconds:.0f} s", "muted"),
    ]  # fmt: skip
    return shown


def _results(summary: DemoSummary) -> Table:
    columns = ("campaign", "runs", "audience", "held out", "sent", "opened", "clicked", "orders", "revenue")
    rows = [
        (
            one.name,
            one.runs,
            one.account.audience,
            one.account.holdout,
            one.account.sent,
            one.responses["opened"],
            one.responses["clicked"],
            round(one.credit.conversions) if one.goal.did == PURCHASE else None,
            summary.shop.money(one.credit.revenue) if one.credit.revenue else "",
        )
        for one in summary.campaigns
    ]
    return Table(columns, rows)


def _variants(summary: DemoSummary) -> list[Block]:
    rows = [
        (one.name, name, variant.sent, variant.responses["opened"], variant.responses["clicked"])
        for one in summary.campaigns
        for name, variant in one.variants.items()
    ]
    return [Table(("campaign", "variant", "sent", "opened", "clicked"), rows)] if rows else []


def _example(summary: DemoSummary) -> list[Block]:
    from automation.cli.explain_blocks import explain_blocks

    if summary.example is None:
        return []
    example = summary.example
    body = "\n".join(f"  | {line}" for line in example.text.strip().splitlines()[:14])
    return [
        Text(f"\nOne of the messages, to {example.to}: {example.subject}", "strong"),
        Text(f"{body}\n  ({example.file})\n"),
        Text("Why this customer got it:", "strong"),
        *explain_blocks(example.explanation, summary.shop),
    ]


def _example_arguments(summary: DemoSummary) -> str:
    if summary.example is None:
        return "CAMPAIGN CUSTOMER"
    return f"{summary.example.explanation.campaign} {summary.example.customer_id}"
