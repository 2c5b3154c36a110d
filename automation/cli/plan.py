"""`automation plan`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.cli.test_mode import test_mode

if TYPE_CHECKING:
    from automation.runner.plan import Plan, Sample
    from automation.runner.preflight import Preflight
    from automation.workspace.workspace import Workspace

Name = Annotated[str, typer.Argument(help="the campaign's name", metavar="CAMPAIGN")]
PreflightExtent = Annotated[str, typer.Option(help="render all messages, a sample of about 1,000, or none: off")]
_LINES = 6


def plan(
    context: typer.Context,
    name: Name,
    samples: Annotated[int, typer.Option(help="how many decisions to show")] = 5,
    preflight: PreflightExtent = "all",
    check_links: Annotated[
        bool, typer.Option("--check-links", help="ask every linked page whether it is there")
    ] = False,
) -> None:
    """Show who would get what if a campaign ran now.

    Nothing is sent and nothing is stored: the file as it is now goes through every stage of a run, and every message is
    rendered to find problems.

    Example: automation plan winback
    """
    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        found = rehearse(invocation, workspace, name, samples=samples, preflight=preflight, check_links=check_links)
        shown = blocks(workspace, found)
    invocation.output.show(payload(found), *shown)


def rehearse(
    invocation: Invocation,
    workspace: Workspace,
    name: str,
    *,
    samples: int,
    preflight: str,
    check_links: bool = False,
) -> Plan:
    """The campaign's plan, with a bar while it is made."""
    from automation.runner.link_check import with_dead_links
    from automation.runner.plan import plan as rehearsal
    from automation.runner.preflight import extent_of

    with invocation.output.progress("customers") as tick:
        made = rehearsal(workspace, name, samples=samples, extent=extent_of(preflight), progress=tick)
        return replace(made, preflight=with_dead_links(made.preflight, tick)) if check_links else made


def payload(found: Plan) -> dict[str, object]:
    """The plan as a program reads it."""
    return {
        "campaign": found.campaign,
        "as_of": found.as_of,
        "audience": found.audience,
        "outcomes": [{"outcome": o, "reason": r, "customers": n} for (o, r), n in sorted(found.outcomes.items())],
        "variants": [{"variant": v, "outcome": o, "customers": n} for (v, o), n in sorted(found.variants.items())],
        "offers": dict(found.offers),
        "promised_cost": found.promised_cost,
        "entering": found.entering,
        "leaving": found.leaving,
        "unrenderable": dict(found.unrenderable),
        "gives_way": dict(found.gives_way),
        "preflight": preflight_payload(found.preflight),
        "samples": [asdict(sample) for sample in found.samples],
        "rules": [asdict(rule) for rule in found.rules],
        "warnings": list(found.warnings),
        "seconds": found.seconds,
    }


def blocks(workspace: Workspace, found: Plan) -> list[Block]:
    """The plan as a person reads it."""
    shown: list[Block] = [*test_mode(workspace.project), _funnel(workspace, found), *_people(found), *_rules(found)]
    if found.variants:
        rows = [(variant, outcome, n) for (variant, outcome), n in sorted(found.variants.items())]
        shown.append(Table(("variant", "outcome", "customers"), rows, title="Variants"))
    if found.offers:
        rows_of_offers = sorted(found.offers.items(), key=lambda item: -item[1])
        shown.append(Table(("offer", "customers"), rows_of_offers, title="Offers"))
        currency = workspace.project.settings.shop.currency
        shown.append(Text(f"promised cost if every offer is used as expected: {found.promised_cost:,.2f} {currency}"))
    shown += [block for sample in found.samples for block in _sample(workspace, sample)]
    shown += [_gives_way(campaign, n) for campaign, n in found.gives_way.items()]
    shown += preflight_blocks(found.preflight)
    shown += [Text(f"warning: {warning}", "odd") for warning in found.warnings]
    return shown


def preflight_payload(found: Preflight) -> dict[str, object]:
    """What rendering came to, as a program reads it."""
    return {
        "extent": found.extent,
        "messages": found.messages,
        "rendered": found.rendered,
        "seconds": found.seconds,
        "errors": len(found.errors),
        "problems": [asdict(problem) for problem in found.problems],
    }


def preflight_blocks(found: Preflight) -> list[Block]:
    """What rendering came to, as a person reads it."""
    if found.extent == "off":
        return [Text("preflight: off; no message was looked at", "odd")]
    rate = f"{found.rendered / found.seconds:,.0f} a second" if found.seconds else ""
    head = f"preflight: {found.rendered:,} of {found.messages:,} messages rendered, {rate}"
    if not found.problems:
        return [Text(f"{head}; nothing is wrong with them", "good")]
    rows = [(p.severity, p.messages, p.what, p.customer, p.detail) for p in found.problems]
    mood = "bad" if found.errors else "odd"
    return [Text(head, mood), Table(("preflight", "messages", "what is wrong", "such as", "shown by"), rows)]


def _gives_way(campaign: str, n: int) -> Text:
    return Text(f"{n:,} waiting messages of {campaign} would give their place under a cap up to it", "odd")


def _funnel(workspace: Workspace, found: Plan) -> Table:
    from automation.reporting.explain import reason_text

    rows: list[tuple[str, int, str]] = [("audience", found.audience, "everybody for whom the rules hold")]
    for (outcome, reason), n in sorted(found.outcomes.items(), key=lambda item: (item[0][0] == "message", -item[1])):
        rows.append((outcome, n, reason_text(workspace, reason)))
    return Table(("funnel", "customers", "why"), rows, title=f"{found.campaign}, if it ran now")


def _rules(found: Plan) -> list[Block]:
    """What each rule takes by itself: the first line is the one to mend when a plan is slow."""
    rows = [
        (
            rule.rule,
            rule.customers,
            "" if rule.estimated is None else f"{rule.estimated:,}",
            f"{rule.seconds * 1000:,.0f} ms",
        )
        for rule in found.rules
    ]
    return [Table(("rule", "customers", "expected", "takes"), rows, title="Rules, each asked alone")] if rows else []


def _people(found: Plan) -> list[Block]:
    if found.entering is None or found.leaving is None:
        return [Text("this campaign has never run", "faint")]
    return [Text(f"since its last run {found.entering:,} people are new in the audience, {found.leaving:,} left it")]


def _sample(workspace: Workspace, sample: Sample) -> list[Block]:
    from automation.reporting.explain import reason_text

    parts = [sample.outcome, *(part for part in (sample.variant, sample.offer) if part)]
    head = f"\n{sample.customer_id}: {', '.join(parts)}"
    if sample.rendered is None:
        return [Text(f"{head} ({reason_text(workspace, sample.reason)})", "loud")]
    lines = [line.strip() for line in sample.rendered.text.splitlines() if line.strip()]
    more = ["…"] if len(lines) > _LINES else []
    body = "\n".join(f"  | {line}" for line in [*lines[:_LINES], *more])
    return [Text(head, "loud"), Text(f"  to {sample.rendered.to}: {sample.rendered.subject}\n{body}")]
