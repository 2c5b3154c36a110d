"""A condition for one customer: every line, whether it holds as written, and the customer's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from automation.contracts import ComparingRule, Figure, MeasuringRule, Snapshot
from automation.errors import AutomationError
from automation.plugin_manager import Registry
from automation.rules.compiler import evaluate
from automation.rules.condition_lines import ConditionLine, condition_lines, lines_hold
from automation.rules.one_customer import narrow, needs_one
from automation.types.condition import Condition, Leaf, leaves

CHANGED = Figure("as the run recorded it; the data has changed since")


@dataclass(frozen=True)
class RuleValue:
    """One line of a condition, and whether it holds as written, so also under a `not`.

    depth: how many groups or segments it is in. negated: a rule under `not`. figures: what the
    customer has of what the rule asks for. score and reasons: a segment's, if any.
    """

    path: str
    text: str
    held: bool
    depth: int = 0
    negated: bool = False
    figures: Sequence[Figure] = field(default_factory=tuple)
    score: float | None = None
    reasons: Sequence[str] = field(default_factory=tuple)


class CustomerRules:
    """The rules as of a snapshot, for one customer. segments: config.yaml's conditions by name."""

    def __init__(self, data: Snapshot, registry: Registry, customer_id: str, segments: Mapping[str, Condition]) -> None:
        self._data = data
        self._registry = registry
        self._customer_id = customer_id
        self._segments = segments
        self._own = narrow(data, customer_id, segments, registry)

    def values(self, condition: Condition) -> list[bool]:
        """Whether each leaf holds; all False for a customer who does not exist. Raises `ConfigurationError`."""
        found = list(leaves(condition))
        alone = {n for n, leaf in enumerate(found) if needs_one(leaf, self._registry)}
        held: dict[int, bool] = {}
        for data, numbers in ((self._own, alone), (self._data, set(range(len(found))) - alone)):
            if numbers:
                held |= self._ask(data, sorted(numbers), found)
        return [held[n] for n in range(len(found))]

    def _ask(self, data: Snapshot, numbers: Sequence[int], found: Sequence[Leaf]) -> dict[int, bool]:
        among = pl.Series([self._customer_id], dtype=pl.String)
        rows = evaluate([found[n] for n in numbers], data, self._registry, among=among).to_polars().to_dicts()
        return {n: bool(rows and rows[0][f"leaf_{place}"]) for place, n in enumerate(numbers)}

    def explain(
        self, condition: Condition, held: Sequence[bool] | None = None, recorded: Mapping[str, Any] | None = None
    ) -> list[RuleValue]:
        """The lines. held: the values of the leaves, where they are known; recorded: the run's row that has them."""
        now = self._values_or_none(condition) if recorded is not None else None
        values = self.values(condition) if held is None else held
        changed = {n for n, one in enumerate(values) if now is not None and now[n] != one}
        found = []
        lines = condition_lines(condition)
        for line, holds in zip(lines, lines_hold(lines, values), strict=True):
            found.append(self._line(line, holds, line.number in changed, recorded or {}))
            found += self._inside(line)
        return found

    def _values_or_none(self, condition: Condition) -> list[bool] | None:
        try:
            return self.values(condition)
        except AutomationError:  # such as a trait that the customers no longer have
            return None

    def _line(self, line: ConditionLine, holds: bool, changed: bool, recorded: Mapping[str, Any]) -> RuleValue:
        value = RuleValue(line.path, line.text, holds, line.depth, line.negated)
        if line.leaf is None:
            return value
        figures = [CHANGED] if changed else self._measure(line.leaf)
        score, reasons = recorded.get(f"score_{line.number}"), recorded.get(f"reasons_{line.number}") or ()
        return replace(value, figures=tuple(figures), score=score, reasons=tuple(reasons))

    def _measure(self, leaf: Leaf) -> Sequence[Figure]:
        rule = self._registry.find("rules", leaf.key)(leaf.options)
        try:
            if isinstance(rule, ComparingRule) and rule.compares:
                return rule.place(self._data, self._customer_id)
            if not isinstance(rule, MeasuringRule):
                return []
            return rule.measure(self._own)
        except AutomationError:  # such as a model that can't be loaded any more
            return []

    def _inside(self, line: ConditionLine) -> list[RuleValue]:
        """The lines of the segment that the rule names."""
        name = getattr(line.leaf.options, "segment", None) if line.leaf is not None else None
        if not isinstance(name, str) or name not in self._segments:
            return []
        return [replace(one, depth=one.depth + line.depth + 1) for one in self.explain(self._segments[name])]


def recorded_lines(condition: Condition, row: Mapping[str, Any]) -> list[RuleValue]:
    """The lines with the values that a run recorded, without figures."""
    lines = condition_lines(condition)
    held = lines_hold(lines, [bool(row[f"leaf_{n}"]) for n, _ in enumerate(leaves(condition))])
    return [
        RuleValue(
            line.path, line.text, holds, line.depth, line.negated, (),
            row.get(f"score_{line.number}"), tuple(row.get(f"reasons_{line.number}") or ()),
        )
        for line, holds in zip(lines, held, strict=True)
    ]  # fmt: skip


def spell_figures(rule: RuleValue) -> str:
    """`needs at least 2, has 1; score: needs at least 0.6, has 0.43`."""
    shown = [_spell_figure(figure, rule) for figure in rule.figures]
    if rule.score is not None and not any(figure.what == "score" for figure in rule.figures):
        shown.append(f"score {rule.score:.2f}")
    return "; ".join([*shown, *([", ".join(rule.reasons)] if rule.reasons else [])])


def _spell_figure(figure: Figure, rule: RuleValue) -> str:
    what = f"{figure.what}: " if figure.what else ""
    if not figure.needs:
        return f"{what}{figure.has}"
    verb = "must not have" if rule.negated else "needs"
    return f"{what}{verb} {figure.needs}, has {figure.has}"
