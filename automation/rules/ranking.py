"""Who comes first: customers ordered by a score, a profile field, a trait, or a figure of their events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis

from automation.contracts import Snapshot
from automation.errors import ConfigurationError
from automation.fetching import fetch
from automation.rules.aggregates import count_occasions
from automation.rules.attributes import find_attribute, near_misses
from automation.rules.did import DidOptions, select_events
from automation.rules.engines import fetch_tables, remote_tables
from automation.rules.where import find_event_attribute
from automation.types.condition import Measure

if TYPE_CHECKING:
    import ibis.expr.types as ir

_EVENTS = frozenset({"customers", "products", "events"})
"""The tables that a figure of events may need."""


def rank_customers(members: ir.Table, by: str | Measure, data: Snapshot) -> ir.Table:
    """`customer_id`, `score` of the members who have the value, the highest first, equal ones by customer_id.

    Raises `ConfigurationError` for a name or an attribute that does not exist or is not a number.
    """
    scores = _measure(by, data) if isinstance(by, Measure) else _score(by, data)
    ranked = members.select("customer_id").inner_join(scores, "customer_id").select("customer_id", "score")
    number = ranked.score.cast("float64")
    known = ranked.mutate(score=number).filter(number.notnull(), ~number.isnan())
    return known.order_by([ibis.desc("score"), ibis.asc("customer_id")])


def _score(by: str, data: Snapshot) -> ir.Table:
    """`customer_id`, `score`: from the segment, profile field or trait of that name, in this order."""
    if by in data.segments:
        return data.segments[by].select("customer_id", "score")
    table, noun = (data.profiles, "profile field") if by in data.profiles.columns else (data.customers, "trait")
    if by not in table.columns:
        known = {*data.segments, *data.profiles.columns, *data.customers.columns} - {"customer_id"}
        raise ConfigurationError(f"by: no segment, profile field or trait is called {by!r}{near_misses(by, known)}")
    attribute = find_attribute(table, by, noun)
    if attribute.kind != "number":
        raise ConfigurationError(f"by: {attribute.what} is not a number, so customers can't be ranked by it")
    found = table.select("customer_id", score=attribute.column)
    elsewhere = noun == "trait" and "customers" in remote_tables(data)
    return fetch(found, data.connection) if elsewhere else found


def _measure(measure: Measure, data: Snapshot) -> ir.Table:
    """`customer_id`, `score`: the figure of each customer's events, worked out where the events lie."""
    elsewhere = remote_tables(data)
    if elsewhere == _EVENTS:
        return fetch(_figures(measure, data), data.connection)
    here = fetch_tables(data, elsewhere)
    return _figures(measure, here)


def _figures(measure: Measure, data: Snapshot) -> ir.Table:
    options = measure.events.options
    assert isinstance(options, DidOptions)
    attribute = measure.attribute
    events = select_events(options.did, options, data, further={attribute} if attribute else set())
    return events.group_by("customer_id").aggregate(score=_figure(events, measure, data))


def _figure(events: ir.Table, measure: Measure, data: Snapshot) -> Any:
    if measure.attribute is None:
        return count_occasions(events)
    found = find_event_attribute(events, measure.attribute, data)
    if measure.kind == "distinct":
        return found.column.nunique()
    if found.kind != "number":
        raise ConfigurationError(f"by: {found.what} is not a number, so it has no {measure.kind}")
    values = found.column.cast("float64")
    return (values.sum() if measure.kind == "sum" else values.mean()).round(6)
