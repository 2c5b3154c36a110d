"""Several rules about events of one type, evaluated in one pass over these events.

"Bought in 120 days, not in 60, for more than 100 in total" reads 2.4 M purchases once, not three times.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from automation.contracts import Snapshot, Tally
from automation.rules.aggregates import aggregate_tests
from automation.rules.attributes import has_attribute
from automation.rules.behaviour import Behaviour
from automation.rules.where import where_tests
from automation.rules.window import span_bounds, span_tests

if TYPE_CHECKING:
    import ibis.expr.types as ir


def build_tally(event: str, options: Behaviour, data: Snapshot) -> Tally | None:
    """None if the rule needs more than the attributes of the customer's events, such as their order or products."""
    further = ("product", "then", "then_not", "weekday", "time_of_day", "most")
    if any(getattr(options, name) is not None for name in further):
        return None
    if not all(has_attribute(data.events, name) for name in options.attributes()):
        return None

    def holds(events: ir.Table) -> Any:
        import ibis

        chosen = [*span_tests(events.occurred_at, options, data), *where_tests(events, options.where, data)]
        inside = ibis.and_(*chosen) if chosen else None
        return ibis.and_(_happened(events, options, data, inside), *aggregate_tests(events, options, data, inside))

    return Tally(event, *span_bounds(options, data), holds)


def _happened(events: ir.Table, options: Behaviour, data: Snapshot, inside: Any) -> Any:
    """Whether any event is inside; by the newest or the oldest event if possible, because rules can share these."""
    import ibis

    start, end = span_bounds(options, data)
    if options.where or (start is not None and end is not None):
        return events.occurred_at.max(where=inside).notnull()
    if start is not None:
        return events.occurred_at.max() >= ibis.literal(start)
    return ibis.literal(True) if end is None else events.occurred_at.min() < ibis.literal(end)


def tally_events(tallies: Collection[tuple[str, Tally]], data: Snapshot) -> ir.Table:
    """`tally_customer`, and a Boolean without nulls for every named tally; all tallies have one event type."""
    import ibis

    events = data.events
    (event,) = {one.event for _, one in tallies}
    tests = [events.type == event]
    starts, ends = [one.start for _, one in tallies], [one.end for _, one in tallies]
    if None not in starts:
        tests.append(events.occurred_at >= ibis.literal(min(filter(None, starts))))
    if None not in ends:
        tests.append(events.occurred_at < ibis.literal(max(filter(None, ends))))
    chosen = events.filter(*tests)
    return chosen.group_by(tally_customer=chosen.customer_id).aggregate(
        **{name: one.holds(chosen).fill_null(False) for name, one in tallies}
    )
