"""A customer's events looked at together: how many, how much, how different, since when, how regularly."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from automation.contracts import Snapshot
from automation.errors import ConfigurationError
from automation.rules.attributes import earlier
from automation.rules.behaviour import ONCE, Behaviour, Most, Total
from automation.rules.comparing import holds
from automation.rules.operators import Operators
from automation.rules.where import find_event_attribute
from automation.rules.window import lies_within

if TYPE_CHECKING:
    import ibis.expr.types as ir


def filter_customers(events: ir.Table, options: Behaviour, data: Snapshot) -> ir.Table:
    """customer_id, distinct, of those whose events pass every test. Raises `ConfigurationError`."""
    aggregates = _aggregates(events, options, data)
    if aggregates:
        grouped = events.group_by("customer_id").aggregate(**aggregates)
        found = grouped.filter(*_tests(grouped, options, data)).select("customer_id")
    else:
        found = events.select("customer_id").distinct()
    if options.most is not None:
        found = found.semi_join(_who_mostly(events, options.most, data), "customer_id")
    return found


def _aggregates(events: ir.Table, options: Behaviour, data: Snapshot) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if options.times is not None and options.times != ONCE:
        # An order's lines are one occasion; an event without an order is one by itself.
        made["times"] = events.order_id.nunique() + events.order_id.isnull().sum()
    if options.sum is not None:
        values, counted = _numbers(events, options.sum, data)
        made["sum"] = values.sum(where=counted).round(6)
    if options.average is not None:
        values, counted = _numbers(events, options.average, data)
        made["average"] = values.mean(where=counted).round(6)
    if options.distinct is not None:
        made["distinct"] = find_event_attribute(events, options.distinct.attribute, data).column.nunique()
    if options.first is not None:
        made["first"] = events.occurred_at.min()
    if options.last is not None:
        made["last"] = events.occurred_at.max()
    if options.every is not None:
        made["periods"] = _periods(events, options, data)
    return made


def _tests(grouped: ir.Table, options: Behaviour, data: Snapshot) -> list[Any]:
    tests = []
    if "times" in grouped.columns:
        assert options.times is not None
        tests.append(options.times.holds(grouped.times))
    totals = {"sum": options.sum, "average": options.average, "distinct": options.distinct}
    tests += [total.comparison.holds(grouped[name]) for name, total in totals.items() if total is not None]
    spans = {"first": options.first, "last": options.last}
    tests += [lies_within(grouped[name], span, data) for name, span in spans.items() if span is not None]
    if options.every is not None:
        tests.append(grouped.periods == options.for_)
    return tests


def _numbers(events: ir.Table, total: Total, data: Snapshot) -> tuple[Any, Any]:
    """The values, and which of them count; they are rounded to a millionth, so that 0.7 + 0.1 is at least 0.8."""
    attribute = find_event_attribute(events, total.attribute, data)
    if attribute.kind != "number":
        raise ConfigurationError(f"{attribute.what} is not a number, so it can't be added up")
    values = attribute.column.cast("float64")
    if total.comparison.currency is None or attribute.currency is None:
        return values, None
    return values, attribute.currency.isnull() | (attribute.currency == total.comparison.currency)


def _periods(events: ir.Table, options: Behaviour, data: Snapshot) -> Any:
    """In how many of the last `for` periods something happened; the newest ends at `as_of`."""
    import ibis

    assert options.every is not None
    assert options.for_ is not None
    starts = [ibis.literal(earlier(data.as_of, options.every * n)) for n in range(1, options.for_ + 1)]
    # PostgreSQL casts no Boolean to a bigint.
    number = reduce(add, [ibis.ifelse(events.occurred_at < start, 1, 0) for start in starts])
    return number.nunique(where=events.occurred_at >= starts[-1])


def _who_mostly(events: ir.Table, most: Most, data: Snapshot) -> ir.Table:
    """customer_id: of those with the value, or a value, that no other is more frequent than."""
    import ibis

    attribute = find_event_attribute(events, most.column, data)
    named = events.select("customer_id", value=attribute.column).filter(lambda row: row.value.notnull())
    counted = named.group_by("customer_id", "value").aggregate(n=named.count())
    counted = counted.mutate(top=counted.n.max().over(ibis.window(group_by="customer_id")))
    first = counted.filter(counted.n == counted.top)
    test = Operators.model_validate({"in": list(most.values)})
    asked = holds(type(attribute)(attribute.what, first.value, attribute.kind), test, data)
    return first.filter(asked).select("customer_id").distinct()
