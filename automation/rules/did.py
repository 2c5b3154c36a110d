"""`did` and `did_not`: what a customer did."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from automation.contracts import Figure, Snapshot, Tally
from automation.errors import ConfigurationError
from automation.rules.aggregates import filter_customers
from automation.rules.behaviour import Behaviour
from automation.rules.event_figures import measure_events
from automation.rules.local_time import filter_local_time
from automation.rules.sequence import filter_followed
from automation.rules.tally import build_tally
from automation.rules.where import join_products, where_tests
from automation.rules.window import has_ended, span_tests

if TYPE_CHECKING:
    import ibis.expr.types as ir


class DidOptions(Behaviour):
    did: str = Field(min_length=1)


class Did:
    """Customers who did something: the event's type, how often, when, with what, how much, and what followed.

        {did: purchase, times: at least 2, in_the_last: 365d, where: {category: shoes}}
        {did: purchase, between: [2026-11-01, 2026-11-30], sum: at least 100 EUR}
        {did: purchase, average: at least 40 EUR, distinct: {product: at least 3}}
        {did: purchase, first: {in_the_last: 30d}}
        {did: purchase, most: {of: category, is: tea}}
        {did: view, every: week, for: 4}
        {did: view, weekday: [Saturday, Sunday], time_of_day: 18:00-22:00}
        {did: add_to_cart, then_not: {did: purchase, within: 2d, product: same}}
        {did: view, between: [20d, 40d], then_not: {did: purchase}}

    These options choose the events that count:

    - `in_the_last: 90d` is the span from exactly 90 × 24 hours before the audience's instant up to that instant.
      `between` names the first and the last day, both included, or two durations: `[20d, 40d]` is between 20 and 40
      days ago, in the last 40 days but not in the last 20. `before` and `after` name a day that is not included. Days
      are in the shop's time zone.
    - `where` tests attributes of the event, or of its product if the event doesn't have them. Write a value to equal, a
      list to be in, or one operator (`price: {at_least: 20 EUR}`). All tests must hold for the same event.
    - `weekday` and `time_of_day` are in the customer's local time of the event, or in the shop's if the customer's time
      zone is unknown. `22:00-02:00` continues past midnight.
    - `then` keeps the events that another event follows, `then_not` those that it doesn't follow: within a time that
      has passed, or, without `within`, until the audience's instant (viewed and not bought since). `product: same`
      requires the same product.

    These options look at all these events of a customer together, and all of them must hold:

    - `times` counts occasions; all lines of one order are one occasion. Without it, once is enough.
    - `sum` and `average` use the amounts, or another number (`{quantity: at least 3}`), rounded to a millionth. Missing
      values are left out, and a customer who has only missing values doesn't match. With a currency, amounts in other
      currencies are left out.
    - `distinct: {category: at least 2}` counts distinct values; missing ones don't count. `product` and `order` stand
      for their ids.
    - `first` and `last` restrict when the first or the last of the events happened.
    - `most` requires the most frequent value; if several values are equally frequent, each of them counts.
    - `every: week, for: 4` means at least once in each of the last 4 weeks, counted back from the audience's instant.
    """

    key: ClassVar[str] = "did"
    reads: ClassVar[frozenset[str]] = frozenset({"customers", "products", "events"})

    Options: ClassVar[type[BaseModel]] = DidOptions

    def __init__(self, options: DidOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        """Raises `ConfigurationError` for an unknown attribute, or one that can't be compared like this."""
        return select_customers(self.options.did, self.options, data)

    def tally(self, data: Snapshot) -> Tally | None:
        """The rule as one aggregate over a customer's events; None where that can't express it."""
        return build_tally(self.options.did, self.options, data)

    def measure(self, data: Snapshot) -> list[Figure]:
        """How often and when the customer did it, and every total that the options compare."""
        options = self.options
        return measure_events(options.did, options, select_events(options.did, options, data), data)


class DidNotOptions(Behaviour):
    did_not: str = Field(min_length=1)


class DidNot:
    """Customers for whom `did` with the same options doesn't hold.

        {did_not: purchase, in_the_last: 90d}

    So `{did_not: purchase, times: at least 2}` holds for customers who bought once or never. While a span of time isn't
    over, the rule holds for nobody, because the event may still happen. `in_the_last` and `after` end at the audience's
    instant.
    """

    key: ClassVar[str] = "did_not"
    reads: ClassVar[frozenset[str]] = frozenset({"customers", "products", "events"})

    Options: ClassVar[type[BaseModel]] = DidNotOptions

    def __init__(self, options: DidNotOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        """Raises `ConfigurationError` as `did` does."""
        everyone = data.customers.select("customer_id")
        did = self.complement_of(data)
        return everyone.limit(0) if did is None else everyone.anti_join(did, "customer_id")

    def complement_of(self, data: Snapshot) -> ir.Table | None:
        """The customers for whom the rule doesn't hold; None while a span isn't over and it holds for nobody."""
        return select_customers(self.options.did_not, self.options, data) if self._spans_have_ended(data) else None

    def tally(self, data: Snapshot) -> Tally | None:
        """`complement_of` as one aggregate over a customer's events; None where that can't express it."""
        found = build_tally(self.options.did_not, self.options, data) if self._spans_have_ended(data) else None
        return None if found is None else replace(found, negated=True)

    def measure(self, data: Snapshot) -> list[Figure]:
        """As of `did`, with the limits that must not be reached."""
        options = self.options
        found = measure_events(options.did_not, options, select_events(options.did_not, options, data), data)
        if not self._spans_have_ended(data):
            found.append(Figure("the time is not over yet"))
        return [replace(one, needs=_opposite(one.needs)) for one in found]

    def _spans_have_ended(self, data: Snapshot) -> bool:
        spans = (self.options, self.options.first, self.options.last)
        return all(has_ended(span, data) for span in spans if span is not None)


def select_customers(event: str, options: Behaviour, data: Snapshot) -> ir.Table:
    """customer_id, distinct: filter the events, and group them only if a test needs them together."""
    return filter_customers(select_events(event, options, data), options, data)


def select_events(
    event: str, options: Behaviour, data: Snapshot, *, further: Collection[str] = frozenset()
) -> ir.Table:
    """The events that count, with the attributes that the options and `further` name."""
    if options.product is not None:
        raise ConfigurationError("product: same needs a campaign that starts with a product, which is not built yet")
    known = join_products(data.events, {*options.attributes(), *further}, data)
    spans, tests = span_tests(known.occurred_at, options, data), where_tests(known, options.where, data)
    events = filter_local_time(known.filter(known.type == event, *spans, *tests), options, data)
    after = options.then or options.then_not
    if after is not None:
        events = filter_followed(events, known, after, data, absent=options.then is None)
    return events


def _opposite(needs: str) -> str:
    return next((needs.replace(one, other, 1) for one, other in _OPPOSITES if needs.startswith(one)), needs)


_OPPOSITES = (
    ("at least", "less than"),
    ("at most", "more than"),
    ("more than", "at most"),
    ("less than", "at least"),
    ("exactly", "not exactly"),
)
