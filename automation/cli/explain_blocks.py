"""An explanation, for `explain` and `demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automation.cli.output import Block, Table, Text
from automation.workspace.shop_format import UNKNOWN_SHOP, ShopFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from automation.reporting.explanation import Explanation
    from automation.reporting.journey_path import JourneyPath
    from automation.reporting.rule_values import RuleValue
    from automation.store.ledger.decisions import DecisionRow


def explain_blocks(found: Explanation, shop: ShopFormat = UNKNOWN_SHOP) -> list[Block]:
    when = shop.time(found.as_of)
    run = f"run {found.run.id} ({shop.due(found.run)}), as of {when}" if found.run else f"now, {when}"
    shown: list[Block] = [Text(f"{found.campaign}, customer {found.customer_id}: {run}", "strong")]
    shown.append(_rules(found, "audience", found.rules))
    shown += [Text(sentence) for sentence in found.standing if found.decision is not None]
    if found.decision is None:
        shown.append(Text("; ".join([found.reason, *found.standing]), "strong"))
        shown += [Text(found.tracking)] if found.tracking else []
    else:
        shown += _decision(found, found.decision, shop)
    shown += [block for path in found.journey for block in _journey(path, shop)]
    shown.append(_versions(found))
    return shown


def _journey(path: JourneyPath, shop: ShopFormat) -> list[Block]:
    from automation.reporting.journey_path import ENDINGS

    subject = f" for {path.subject}" if path.subject else ""
    head = Text(f"journey, entry {path.entry}{subject}: began {shop.time(path.entered_at)}, by {path.cause}", "strong")
    rows = [(shop.cell(moment.at), moment.step, moment.what) for moment in path.moments]
    if path.ended is not None:
        rows.append((shop.cell(path.ended_at), "", f"over: {ENDINGS.get(path.ended, path.ended)}"))
    else:
        until = f", until {shop.time(path.due_at)}" if path.due_at is not None else ""
        rows.append(("now", "", f"{path.standing}{until}"))
    return [head, Table((f"time ({shop.zone})", "step", "what happened"), rows)]


def _rules(found: Explanation, title: str, rules: Sequence[RuleValue]) -> Block:
    from automation.reporting.rule_values import spell_figures

    if not rules:
        return Text(f"{title}: everyone" if found.rules_known else f"{title}: what the run recorded can't be read", "")
    rows = [(rule.path, _indented(rule), "yes" if rule.held else "no", spell_figures(rule)) for rule in rules]
    return Table((title, "rule", "holds", "because"), rows)


def _indented(rule: RuleValue) -> str:
    return f"{'  ' * rule.depth}{rule.text}"


def _decision(found: Explanation, decision: DecisionRow, shop: ShopFormat) -> list[Block]:
    facts = [("decided", f"{decision.outcome}: {found.reason}")]
    facts += [("because", fact) for fact in found.refusal]
    facts += [("passed over", _passed_over(channel, code)) for channel, code in decision.passed_over.items()]
    if decision.detail:
        facts.append(("detail", decision.detail))
    if decision.variant:
        facts.append(("variant", decision.variant))
    if decision.propensities:
        facts.append(("drawn from", _distribution(decision)))
    if decision.offer:
        facts.append(("offer", decision.offer))
    if decision.coupon:
        facts.append(("coupon", f"{decision.coupon} ({decision.coupon_state})"))
    facts += _message(decision, shop)
    facts += [("tracking", found.tracking)] if found.tracking else []
    shown: list[Block] = [Table(("", ""), facts)]
    if found.offer_rules:
        shown.append(_rules(found, "offer", found.offer_rules))
    if decision.items:
        shown.append(_items(found, decision))
    return shown


def _passed_over(channel: str, code: str) -> str:
    from automation.types.decision import CANNOT_REACH

    return f"{channel}: {CANNOT_REACH.get(code, code)}"


def _message(decision: DecisionRow, shop: ShopFormat) -> list[tuple[str, str]]:
    if decision.message_id is None:
        return []
    due = shop.time(decision.due_at) if decision.due_at else ""
    settled = f", {shop.time(decision.settled_at)}" if decision.settled_at else ""
    because = f" ({decision.state_reason})" if decision.state_reason else ""
    theirs = [("provider's id", decision.provider_id)] if decision.provider_id else []
    return [
        ("message", f"{decision.message_id} by {decision.channel} to {decision.address}, due {due}"),
        ("state", f"{decision.state}{because}{settled}"),
        *theirs,
        ("template", decision.template or ""),
    ]


def _distribution(decision: DecisionRow) -> str:
    return "; ".join(f"{what}: {_chances(chances)}" for what, chances in decision.propensities.items())


def _chances(chances: object) -> str:
    """`holdout 10%, contacted 90%`, from a mapping or from the offer policy's rows."""
    if isinstance(chances, list):
        chances = {str(row["offer"]): row["probability"] for row in chances if isinstance(row, dict)}
    if not isinstance(chances, dict):
        return str(chances)
    return ", ".join(f"{name} {float(str(chance)):.0%}" for name, chance in chances.items())


def _items(found: Explanation, decision: DecisionRow) -> Table:
    rows = [
        (
            _product(found, item.get("product_id")),
            _number(item.get("score")),
            str(item.get("reason")),
            _because(found, item.get("because")),
        )
        for item in decision.items
    ]
    return Table(("recommended", "score", "reason", "based on"), rows)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _product(found: Explanation, value: object) -> str:
    """The id, and the name of a product that has one."""
    return f"{value} {found.products.get(str(value), '')}".rstrip()


def _because(found: Explanation, value: object) -> str:
    return ", ".join(_product(found, one) for one in value) if isinstance(value, list) else ""


def _versions(found: Explanation) -> Text:
    models = found.versions.get("models") or {}
    named = [f"{name} {version}" for name, version in models.items()]
    return Text(f"data version {found.versions.get('warehouse')}; models: {', '.join(named) or 'none'}", "muted")
