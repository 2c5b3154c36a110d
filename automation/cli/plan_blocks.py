"""A plan, for `plan` and `launch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automation.cli.output import Block, Table, Text
from automation.cli.test_mode import test_mode
from automation.types.plural import format_count
from automation.workspace.shop_format import shop_format

if TYPE_CHECKING:
    from automation.runner.plan import Plan
    from automation.runner.preflight import Preflight
    from automation.runner.samples import Sample
    from automation.workspace.workspace import Workspace

_LINES = 6  # of a sample's text


def plan_blocks(workspace: Workspace, plan: Plan) -> list[Block]:
    shown: list[Block] = [*test_mode(workspace.project.settings.testing.redirect_all)]
    if plan.planned_for is not None:
        shown.append(Text(plan.planned_for.basis, "warning"))
    shown.append(_funnel(workspace, plan))
    if plan.begins:
        shown.append(Text(f"a journey: a customer enters when {plan.begins}; nobody enters by the launch"))
        shown.append(Text("the figures are those of its first message, if everybody who may enter came to it now"))
    if plan.planned_for is None:
        shown.append(_change(plan))
    shown += _rules(plan)
    if len(plan.channels) > 1 or plan.passed_over:
        shown.append(_channels(plan))
    if plan.untracked:
        shown.append(_untracked(workspace, plan))
    if plan.variants:
        rows = [(variant, outcome, n) for (variant, outcome), n in sorted(plan.variants.items())]
        shown.append(Table(("variant", "outcome", "customers"), rows, title="Variants"))
    if plan.offers:
        offers = sorted(plan.offers.items(), key=lambda item: -item[1])
        shown.append(Table(("offer", "customers"), offers, title="Offers"))
        cost = shop_format(workspace).money(plan.promised_cost)
        shown.append(Text(f"expected cost of all offers: {cost}"))
    shown += [block for sample in plan.samples for block in _sample(workspace, sample)]
    shown += [_displaced(campaign, n) for campaign, n in plan.displaced.items()]
    shown += _preflight(plan.preflight)
    shown += [Text(f"warning: {warning}", "warning") for warning in (*plan.problems, *plan.warnings)]
    if plan.problems and plan.planned_for is None:
        shown.append(Text(f"if it is as you mean it: automation launch {plan.campaign} --accept-warnings", "warning"))
    return shown


def _preflight(preflight: Preflight) -> list[Block]:
    if preflight.extent == "off":
        return [Text("preflight: off; no message was rendered", "warning")]
    rate = f", {preflight.rendered / preflight.seconds:,.0f} a second" if preflight.seconds else ""
    head = f"preflight: {preflight.rendered:,} of {format_count(preflight.messages, 'message')} rendered{rate}"
    if not preflight.problems:
        return [Text(f"{head}; no problems found", "success")]
    rows = [(p.severity, p.messages, p.what, p.customer, p.detail) for p in preflight.problems]
    columns = ("preflight", "messages", "problem", "example customer", "detail")
    return [Text(head, "error" if preflight.errors else "warning"), Table(columns, rows)]


def _displaced(campaign: str, n: int) -> Text:
    return Text(
        f"{format_count(n, 'queued message')} of {campaign} would lose their cap slot to this campaign", "warning"
    )


def _funnel(workspace: Workspace, plan: Plan) -> Table:
    from automation.reporting.reasons import reason_text

    rows: list[tuple[str, int, str]] = []
    if plan.top is not None:
        rows.append(("ranked", plan.top.ranked, "all customers whom the rules match and who can be ranked"))
        for reason, n in plan.top.passed_over.items():
            rows.append(("passed over", n, reason_text(workspace, reason)))
    whole = "all customers whom the rules match" if plan.top is None else "the best of the others"
    rows.append(("audience", plan.audience, whole))
    for (outcome, reason), n in sorted(plan.outcomes.items(), key=lambda item: (item[0][0] == "message", -item[1])):
        rows.append((outcome, n, reason_text(workspace, reason)))
    return Table(("funnel", "customers", "reason"), rows, title=f"{plan.campaign}, {_when(plan)}")


def _channels(plan: Plan) -> Table:
    """`sms, 25 customers, email: no address 12, no consent on record 4, withdrew consent 7`."""
    from automation.types.decision import CANNOT_REACH

    rows: list[tuple[str, int, str]] = []
    for channel, n in sorted(plan.channels.items(), key=lambda item: (-item[1], item[0])):
        earlier: dict[str, list[str]] = {}
        for (its, other, reason), count in sorted(plan.passed_over.items(), key=lambda item: (-item[1], item[0])):
            if its == channel:
                earlier.setdefault(other, []).append(f"{CANNOT_REACH.get(reason, reason)} {count:,}")
        told = "; ".join(f"{other}: {', '.join(reasons)}" for other, reasons in earlier.items())
        rows.append((channel, n, told))
    return Table(("channel", "messages", "passed over"), rows, title="Channels")


def _untracked(workspace: Workspace, plan: Plan) -> Text:
    """`12 messages would carry no pixel and no tracked links, for want of a consent to tracking: no consent …`."""
    from automation.types.decision import CANNOT_REACH

    number, topic = sum(plan.untracked.values()), workspace.project.settings.consent.tracking
    why = ", ".join(f"{CANNOT_REACH.get(code, code)} {n:,}" for code, n in sorted(plan.untracked.items()))
    messages = format_count(number, "message")
    return Text(f"{messages} would carry no pixel and no tracked links, for want of a consent to {topic}: {why}")


def _when(plan: Plan) -> str:
    if plan.planned_for is None:
        return "if it ran now"
    return f"if it {'had run' if plan.planned_for.past else 'ran'} on {plan.planned_for.shown}"


def _rules(plan: Plan) -> list[Block]:
    """How many customers each rule holds for, and what it takes: improve the first one when a plan is slow."""
    rows = [(rule.rule, rule.customers, f"{rule.seconds * 1000:,.0f} ms") for rule in plan.rules]
    return [Table(("rule", "customers", "time"), rows, title="Rules, each on its own")] if rows else []


def _change(plan: Plan) -> Text:
    if plan.entering is None or plan.leaving is None:
        return Text("this campaign has never run", "muted")
    entered = format_count(plan.entering, "customer")
    return Text(f"since the last run, {entered} entered the audience and {plan.leaving:,} left it")


def _sample(workspace: Workspace, sample: Sample) -> list[Block]:
    from automation.reporting.reasons import reason_text

    parts = [sample.outcome, *(part for part in (sample.variant, sample.offer) if part)]
    head = f"\n{sample.customer_id}: {', '.join(parts)}"
    if sample.rendered is None:
        return [Text(f"{head} ({reason_text(workspace, sample.reason)})", "strong")]
    lines = [line.strip() for line in sample.rendered.text.splitlines() if line.strip()]
    more = ["…"] if len(lines) > _LINES else []
    body = "\n".join(f"  | {line}" for line in [*lines[:_LINES], *more])
    return [Text(head, "strong"), Text(f"  to {sample.rendered.to}: {sample.rendered.subject}\n{body}")]
