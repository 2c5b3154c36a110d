"""What each rule costs: the rows that the engine expects, and the time that the rule takes alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automation.clock import monotonic
from automation.contracts import Snapshot
from automation.plugin_manager import Registry
from automation.rules.leaf_set import LeafSet, build_leaf_sets
from automation.types.condition import Condition, leaves

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True)
class RuleCost:
    """`estimated` is the number of rows in the engine's plan; None where the engine gives none.

    `customers` and `seconds` are measured; for a rule that excludes a set, they describe the excluded set.
    """

    path: str
    rule: str
    estimated: int | None
    customers: int
    seconds: float


def measure_costs(conditions: Sequence[Condition], data: Snapshot, registry: Registry) -> list[RuleCost]:
    """Run every distinct rule alone; the slowest comes first. Raises `ConfigurationError`."""
    sets = build_leaf_sets([leaf for condition in conditions for leaf in leaves(condition)], registry)
    return sorted((_cost(one, data) for one in sets.values()), key=lambda cost: -cost.seconds)


def _cost(one: LeafSet, data: Snapshot) -> RuleCost:
    started = monotonic()
    test = one.test(data, data.customers)
    table = data.customers.filter(test).select("customer_id") if test is not None else one.ids(data)[0]
    customers = int(table.count().to_pyarrow().as_py())
    seconds = monotonic() - started
    return RuleCost(one.leaf.path, one.leaf.text, _estimate(table), customers, seconds)


def _estimate(table: ir.Table) -> int | None:
    """The rows that DuckDB's plan expects; None on other engines, whose plans have other formats."""
    engine = table.get_backend()
    if engine.name != "duckdb":
        return None
    engine._run_pre_execute_hooks(table)
    row = engine.con.execute(f"EXPLAIN (FORMAT json) {engine.compile(table)}").fetchone()
    (top,) = json.loads(row[1])
    return _expected(top)


def _expected(node: dict[str, object]) -> int | None:
    """The first estimate from the top of the plan; a projection above it may have none."""
    found = node.get("extra_info")
    if isinstance(found, dict) and "Estimated Cardinality" in found:
        return int(str(found["Estimated Cardinality"]).lstrip("~"))
    children = node.get("children")
    return _expected(children[0]) if isinstance(children, list) and children else None
