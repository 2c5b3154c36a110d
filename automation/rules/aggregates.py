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
    tests = []
    if options.times is not None and options.times != ONCE:
        # All lines of an order are one occasion; an event without an order is an occasion of its own.
        alone = events.order_id.isnull()
        occasions = events.order_id.nunique(where=inside) + alone.sum(where=inside).fill_null(0)
        tests.append(options.times.holds(occasions))
    if options.sum is not None:
        values, counted = _numbers(events, options.sum, data)
        tests.append(options.sum.comparison.holds(values.sum(where=_both(counted, inside)).round(6)))
    if options.average is not None:
        values, counted = _numbers(events, options.average, data)
        tests.append(options.average.comparison.holds(values.mean(where=_both(counted, inside)).round(6)))
    if options.distinct is not None:
        different = find_event_attribute(events, options.distinct.attribute, data).column
        tests.append(options.distinct.comparison.holds(different.nunique(where=inside)))
    if options.first is not None:
        tests += span_tests(events.occurred_at.min(where=inside), options.first, data)
    if options.last is not None:
        tests += span_tests(events.occurred_at.max(where=inside), options.last, data)
    if options.every is not None:
        tests.append(_periods(events, options, data, inside) == options.for_)
    return tests


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
