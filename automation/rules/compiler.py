"""Compile conditions to one lazy query over all customers.

A leaf is true for a customer in its rule's set of ids and false for everybody else, never unknown. A missing value is
never equal, greater or smaller, so a customer with one is in no such set, and `not` of the rule holds. `all`, `any` and
`not` are Boolean algebra over columns without nulls, so they give the same result on every engine.

The members of an audience keep the value of every leaf, for `explain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl
import pyarrow as pa

from automation.contracts import Snapshot
from automation.ids import shares
from automation.plugin_manager import Registry
from automation.rules.engines import mark_across_engines, remote_tables
from automation.rules.leaf_set import Identity, build_leaf_sets, leaf_identity, mark_leaves
from automation.types.condition import Audience, Condition, Group, Leaf, leaves

if TYPE_CHECKING:
    import ibis.expr.types as ir


def evaluate(
    conditions: Sequence[Condition], data: Snapshot, registry: Registry, *, among: pl.Series | ir.Table | None = None
) -> ir.Table:
    """`customer_id`, `leaf_<n>` for all leaves of all conditions in order, `holds_<i>` for every condition.

    One row for every customer, or for the customers of `among` that exist; Boolean columns without nulls. Lazy. Raises
    `ConfigurationError` with the leaf's path.
    """
    found = [leaf for condition in conditions for leaf in leaves(condition)]
    return _evaluate(conditions, found, data, registry, among, {})


def select_audience(
    wanted: Audience, data: Snapshot, registry: Registry, *, salt: str, among: pl.Series | None = None
) -> ir.Table:
    """`customer_id` and the value of every leaf, of everybody for whom the condition holds and `sample`; before `top`.

    sample: customers whose `ids.shares(salt, customer_id)` is below the share.
    """
    members = select_members(wanted.condition, data, registry, among=among)
    if wanted.sample is not None:
        members = members.filter(_share(ibis.literal(salt), members.customer_id) < wanted.sample)
    return members


def select_members(
    condition: Condition, data: Snapshot, registry: Registry, *, among: pl.Series | None = None
) -> ir.Table:
    """`customer_id` and the value of every leaf for the customers for whom the condition holds."""
    required, possible = _required(condition)
    found = list(leaves(condition))
    if possible and _only_required(condition):
        return _evaluate([], found, data, registry, among, required)  # these leaves are the whole condition
    marked = _evaluate([condition], found, data, registry, among, required)
    return marked.filter(marked.holds_0 if possible else ibis.literal(False)).drop("holds_0")


def _evaluate(
    conditions: Sequence[Condition],
    found: Sequence[Leaf],
    data: Snapshot,
    registry: Registry,
    among: pl.Series | ir.Table | None,
    required: dict[Identity, bool],
) -> ir.Table:
    customers = data.customers
    if among is not None:
        some = (
            ibis.memtable(pl.DataFrame({"customer_id": among.cast(pl.String)}))
            if isinstance(among, pl.Series)
            else among
        )
        customers = customers.semi_join(some, "customer_id")
    sets = build_leaf_sets(found, registry)
    people, values = (mark_across_engines if remote_tables(data) else mark_leaves)(customers, sets, data, required)
    marked = people.select("customer_id", **{f"leaf_{n}": values[leaf_identity(leaf)] for n, leaf in enumerate(found)})
    numbers = iter(range(len(found)))
    if not conditions:
        return marked
    return marked.mutate(**{f"holds_{i}": _truth(condition, marked, numbers) for i, condition in enumerate(conditions)})


def _required(condition: Condition, truth: bool = True) -> tuple[dict[Identity, bool], bool]:
    """The leaves that have the same value for every member, and whether they are free of contradictions."""
    if isinstance(condition, Leaf):
        return {leaf_identity(condition): truth}, True
    if condition.kind == "not":
        return _required(condition.parts[0], not truth)
    required: dict[Identity, bool] = {}
    possible = True
    if (condition.kind == "all") == truth:
        for part in condition.parts:
            more, sound = _required(part, truth)
            possible = possible and sound and all(required.get(key, value) == value for key, value in more.items())
            required.update(more)
    return required, possible


def _only_required(condition: Condition, truth: bool = True) -> bool:
    """Whether the leaves that `_required` found are the whole condition."""
    if isinstance(condition, Leaf):
        return True
    if condition.kind == "not":
        return _only_required(condition.parts[0], not truth)
    return (condition.kind == "all") == truth and all(_only_required(part, truth) for part in condition.parts)


def _truth(condition: Condition, marked: ir.Table, numbers: Iterator[int]) -> Any:
    """The condition over the leaves' columns; `numbers` counts in the order of `leaves`."""
    if isinstance(condition, Leaf):
        return marked[f"leaf_{next(numbers)}"]
    return _combine(condition, [_truth(part, marked, numbers) for part in condition.parts])


def _combine(group: Group, parts: Sequence[Any]) -> Any:
    if group.kind == "not":
        (part,) = parts
        return ~part
    if group.kind == "all":
        return reduce(and_, parts, ibis.literal(True))
    return reduce(or_, parts, ibis.literal(False))


@ibis.udf.scalar.pyarrow(signature=(("string", "string"), "float64"))  # type: ignore[untyped-decorator]
def _share(salt: pa.ChunkedArray, ids: pa.ChunkedArray) -> pa.Array:
    """The core's hash inside the query, one vector at a time, because engines' own hashes differ."""
    return pa.array(shares(salt[0].as_py(), pl.Series(pl.from_arrow(ids)))) if len(ids) else pa.array([], pa.float64())
