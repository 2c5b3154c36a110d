"""`where`: which events count, by their attributes and their product's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from automation.contracts import Snapshot
from automation.errors import ConfigurationError
from automation.rules.attributes import Attribute, find_attribute, has_attribute, near_misses
from automation.rules.comparison import compare
from automation.rules.operators import Operators

if TYPE_CHECKING:
    import ibis.expr.types as ir

_PRODUCT = "product__"
_CURRENCY = f"{_PRODUCT}_currency"
_OWN = (
    "customer_id",
    "type",
    "occurred_at",
    "product_id",
    "order_id",
    "currency",
)  # read by every rule


def join_products(events: ir.Table, names: Collection[str], data: Snapshot) -> ir.Table:
    """The events with the named attributes; those that events don't have are their product's.

    An event without a known product has no product attributes. Raises `ConfigurationError` for a name that neither
    events nor products have.
    """
    wanted = {name for name in names if not has_attribute(events, name)}
    for name in sorted(wanted):
        if not has_attribute(data.products, name):
            known = {*events.columns, *data.products.columns} - {"customer_id"}
            raise ConfigurationError(f"where: neither events nor products have {name!r}{near_misses(name, known)}")
    if not wanted:
        return events
    found = {name: find_attribute(data.products, name, "") for name in sorted(wanted)}
    columns = {_PRODUCT + name: attribute.column for name, attribute in found.items()}
    if "currency" in data.products.columns and any(attribute.kind == "number" for attribute in found.values()):
        columns[_CURRENCY] = data.products.currency
    products = data.products.select(product_id="product_id", **columns)
    # Each further column costs a millisecond of compiling.
    kept = {*_OWN, *(name.split(".")[0] for name in names), *(name.replace(".", "_") for name in names)}
    own = [events[name] for name in events.columns if name in kept]
    return events.left_join(products, "product_id").select(*own, *(products[name] for name in columns))


def find_event_attribute(events: ir.Table, name: str, data: Snapshot) -> Attribute:
    """The attribute as a column of the result of `join_products`."""
    if _PRODUCT + name not in events.columns:
        return find_attribute(events, name, "attribute")
    found = find_attribute(data.products, name, "product attribute")
    currency = events[_CURRENCY] if _CURRENCY in events.columns else None
    return replace(found, column=events[_PRODUCT + name], currency=currency)


def where_tests(events: ir.Table, where: Mapping[str, Operators], data: Snapshot) -> list[ir.BooleanValue]:
    """The tests of an event's attributes. Raises `ConfigurationError`."""
    return [compare(find_event_attribute(events, name, data), test, data) for name, test in where.items()]
