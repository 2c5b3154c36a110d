"""Each rule of a condition on its own: the customers for whom it holds as written, and the time that this takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automation.clock import monotonic
from automation.contracts import Snapshot
from automation.plugin_manager import Registry
from automation.rules.compiler import select_members
from automation.rules.condition_lines import ConditionLine, condition_lines
from automation.rules.leaf_set import leaf_identity
from automation.types.condition import Condition


@dataclass(frozen=True)
class RuleCost:
    """customers: for whom the rule holds as written, so under a `not` those for whom it doesn't."""

    path: str
    rule: str
    customers: int
    seconds: float


def measure_costs(conditions: Sequence[Condition], data: Snapshot, registry: Registry) -> list[RuleCost]:
    """Ask for every different rule alone; the slowest comes first. Raises `ConfigurationError`."""
    rules = {
        (leaf_identity(line.leaf), line.negated): line
        for condition in conditions
        for line in reversed(condition_lines(condition))
        if line.leaf is not None
    }
    return sorted((_cost(line, data, registry) for line in rules.values()), key=lambda cost: -cost.seconds)


def _cost(line: ConditionLine, data: Snapshot, registry: Registry) -> RuleCost:
    started = monotonic()
    customers = int(select_members(line.condition, data, registry).count().to_pyarrow().as_py())
    return RuleCost(line.path, line.text, customers, monotonic() - started)
