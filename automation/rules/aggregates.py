"""Tests of a customer's events together: number, sum, average, distinct values, first, last, regularity."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from automation.contracts import Snapshot
from automation.errors import ConfigurationError
from automation.rules.attributes import earlier
from automation.rules.behaviour import ONCE, Behaviour, Most, Total
from automation.rules.comparison import compare
from automation.rules.operators import Operators
from automation.rules.where import find_event_attribute
from automation.rules.window import span_tests

if TYPE_CHECKING:
    import ibis.expr.types as ir


def filter_customers(events: ir.Table, options: Behaviour, data: Snapshot) -> ir.Table:
    """customer_id, distinct, of customers whose events pass every test. Raises `ConfigurationError`."""
    import ibis

    tests = aggregate_tests(events, options, data)
    if tests:
        grouped = events.group_by("customer_id").aggregate(holds=ibis.and_(*tests))
        found = grouped.filter(grouped.holds).select("customer_id")
    else:
        found = events.select("customer_id").distinct()
    if options.most is not None:
        found = found.semi_join(_who_mostly(events, options.most, data), "customer_id")
    return found


def aggregate_tests(events: ir.Table, options: Behaviour, data: Snapshot, inside: Any = None) -> list[Any]:
    """The tests of a customer's events for which `inside` is true; null where there is nothing to compare."""
    values = aggregate_values(events, options, data, inside)
    return [test for name, value in values.items() for test in _tests(name, value, options, data)]


def aggregate_values(events: ir.Table, options: Behaviour, data: Snapshot, inside: Any = None) -> dict[str, Any]:
    """What the tests compare, by the name of the option that asks for it."""
    found: dict[str, Any] = {}
    if options.times is not None and options.times != ONCE:
        found["times"] = count_occasions(events, inside)
    if options.sum is not None:
        values, counted = _numbers(events, options.sum, data)
        found["sum"] = values.sum(where=_both(counted, inside)).round(6)
    if options.average is not None:
        values, counted = _numbers(events, options.average, data)
        found["average"] = values.mean(where=_both(counted, inside)).round(6)
    if options.distinct is not None:
        different = find_event_attribute(events, options.distinct.attribute, data).column
        found["distinct"] = different.nunique(where=inside)
    if options.first is not None:
        found["first"] = events.occurred_at.min(where=inside)
    if options.last is not None:
        found["last"] = events.occurred_at.max(where=inside)
    if options.every is not None:
        found["every"] = _periods(events, options, data, inside)
    return found


def count_occasions(events: ir.Table, inside: Any = None) -> Any:
    """All lines of an order are one occasion; an event without an order is an occasion of its own."""
    alone = events.order_id.isnull()
    return events.order_id.nunique(where=inside) + alone.sum(where=inside).fill_null(0)


def _tests(name: str, value: Any, options: Behaviour, data: Snapshot) -> list[Any]:
    asked = getattr(options, name)
    if name in ("first", "last"):
        return span_tests(value, asked, data)
    if name == "every":
        return [value == options.for_]
    return [(asked.comparison if isinstance(asked, Total) else asked).holds(value)]


def _both(test: Any, other: Any) -> Any:
    return other if test is None else test if other is None else test & other


def _numbers(events: ir.Table, total: Total, data: Snapshot) -> tuple[Any, Any]:
    """The values, and which of them count. Results are rounded to a millionth, so that 0.7 + 0.1 is at least 0.8."""
    attribute = find_event_attribute(events, total.attribute, data)
    if attribute.kind != "number":
        raise ConfigurationError(f"{attribute.what} is not a number, so it has no sum or average")
    values = attribute.column.cast("float64")
    if total.comparison.currency is None or attribute.currency is None:
        return values, None
    return values, attribute.currency.isnull() | (attribute.currency == total.comparison.currency)


def _periods(events: ir.Table, options: Behaviour, data: Snapshot, inside: Any) -> Any:
    """The number of periods with an event, among the last `for` periods; the newest ends at `as_of`."""
    import ibis

    assert options.every is not None
    assert options.for_ is not None
    starts = [ibis.literal(earlier(data.as_of, options.every * n)) for n in range(1, options.for_ + 1)]
    # PostgreSQL can't cast a Boolean to a bigint.
    number = reduce(add, [ibis.ifelse(events.occurred_at < start, 1, 0) for start in starts])
    return number.nunique(where=_both(events.occurred_at >= starts[-1], inside))


def _who_mostly(events: ir.Table, most: Most, data: Snapshot) -> ir.Table:
    """customer_id of customers whose most frequent value, or one of several equally frequent, is asked for."""
    import ibis

    attribute = find_event_attribute(events, most.column, data)
    named = events.select("customer_id", value=attribute.column).filter(lambda row: row.value.notnull())
    counted = named.group_by("customer_id", "value").aggregate(n=named.count())
    counted = counted.mutate(top=counted.n.max().over(ibis.window(group_by="customer_id")))
    first = counted.filter(counted.n == counted.top)
    test = Operators.model_validate({"in": list(most.values)})
    asked = compare(type(attribute)(attribute.what, first.value, attribute.kind), test, data)
    return first.filter(asked).select("customer_id").distinct()
