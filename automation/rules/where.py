"""`where`: which events count, by their own attributes and by those of their product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from automation.contracts import Snapshot
from automation.errors import ConfigurationError
from automation.rules.attributes import find_attribute, holds, near_misses
from automation.rules.operators import Operators

if TYPE_CHECKING:
    import ibis.expr.types as ir

_PRODUCT = "product__"


def filter_events(events: ir.Table, where: Mapping[str, Operators], data: Snapshot) -> ir.Table:
    """The events whose attributes pass every test. An attribute of both events and products is the event's.

    Without a (known) product, an event's product attributes are missing. Raises `ConfigurationError`.
    """
    of_product = [name for name in where if name not in events.columns]
    known = {*events.columns, *data.products.columns}
    for name in of_product:
        if name not in data.products.columns:
            raise ConfigurationError(
                f"where: neither events nor products have {name!r}{near_misses(name, known - {'customer_id'})}"
            )
    own = [
        holds(find_attribute(events, name, "attribute"), test, data.timezone)
        for name, test in where.items()
        if name not in of_product
    ]
    events = events.filter(*own) if own else events
    return _filter_by_product(events, {name: where[name] for name in of_product}, data)


def _filter_by_product(events: ir.Table, where: Mapping[str, Operators], data: Snapshot) -> ir.Table:
    if not where:
        return events
    products = data.products.select("product_id", **{_PRODUCT + name: name for name in where})
    joined = events.left_join(products, "product_id")
    tests = []
    for name, test in where.items():
        attribute = find_attribute(data.products, name, "product attribute")
        column = joined[_PRODUCT + name]
        tests.append(holds(type(attribute)(attribute.what, column, attribute.kind), test, data.timezone))
    return joined.filter(*tests).select(events.columns)
