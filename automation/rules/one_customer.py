"""A snapshot with the rows of one customer only, for the values and figures that `explain` shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

import ibis

from automation.contracts import ComparingRule, MeasuringRule, Snapshot
from automation.fetching import fetch
from automation.plugin_manager import Registry
from automation.rules.segments import with_segments
from automation.types.condition import Condition, Leaf, leaves

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import polars as pl


def narrow(data: Snapshot, customer_id: str, segments: Mapping[str, Condition], registry: Registry) -> Snapshot:
    """The snapshot of one customer; of a shop's own warehouse only the products of their events, copied here.

    The rows are copied once, because the warehouse has every customer's and most rules read them. segments: the
    conditions of config.yaml by name; each is evaluated over these rows unless a rule of it needs everybody's.
    """

    def own(table: ir.Table) -> ir.Table:
        return _copy(table.filter(table.customer_id == customer_id), data)

    products = data.products
    if products.get_backend() is not data.connection:
        events = data.events.filter(data.events.customer_id == customer_id)
        products = fetch(products.semi_join(events, "product_id"), data.connection)
    narrowed = replace(
        data,
        customers=own(data.customers),
        events=own(data.events),
        products=products,
        decisions=own(data.decisions),
        measure_profiles=cache(lambda: own(data.profiles)),
    )
    alone = {name: one for name, one in segments.items() if all(needs_one(leaf, registry) for leaf in leaves(one))}
    others = {name: partial(_rows, data, name, customer_id) for name in data.segments if name not in alone}
    return with_segments(narrowed, alone, others, registry)


def needs_one(leaf: Leaf, registry: Registry) -> bool:
    """Whether the rows of one customer are enough to tell whether the rule holds for them."""
    rule = registry.find("rules", leaf.key)(leaf.options)
    return isinstance(rule, MeasuringRule) and not (isinstance(rule, ComparingRule) and rule.compares)


def _copy(table: ir.Table, data: Snapshot) -> ir.Table:
    backend = table.get_backend()
    if backend.name != data.connection.name:
        return fetch(table, data.connection)
    rows = table if backend is data.connection else table.to_pyarrow()
    return data.connection.create_table(ibis.util.gen_name("own"), rows, temp=True)


def _rows(data: Snapshot, name: str, customer_id: str, _narrowed: Snapshot) -> Iterator[pl.DataFrame]:
    table = data.segments[name]
    yield table.filter(table.customer_id == customer_id).to_polars()
