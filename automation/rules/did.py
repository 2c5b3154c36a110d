"""`did` and `did_not`: what a customer has done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from automation.contracts import Snapshot, Tally
from automation.errors import ConfigurationError
from automation.rules.aggregates import filter_customers
from automation.rules.behaviour import Behaviour
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
    """Customers who did something: an event's type, how often, when, with what, how much, and what came after.

        {did: purchase, times: at least 2, in_the_last: 365d, where: {category: shoes}}
        {did: purchase, between: [2026-11-01, 2026-11-30], sum: at least 100 EUR}
        {did: purchase, average: at least 40 EUR, distinct: {product: at least 3}}
        {did: purchase, first: {in_the_last: 30d}}
        {did: purchase, most: {of: category, is: tea}}
        {did: view, every: week, for: 4}
        {did: view, weekday: [Saturday, Sunday], time_of_day: 18:00-22:00}
        {did: add_to_cart, then_not: {did: purchase, within: 2d, product: same}}

    These choose the events that count:

    - `in_the_last: 90d` is the half-open span from exactly 90 × 24 hours before the audience's instant up to it;
      `between` names the first and the last day, both included, `before` and `after` a day that is not; days are the
      shop's.
    - `where` tests attributes of the event, or else of its product: a value to equal, a list to be in, or one operator
      (`price: {at_least: 20 EUR}`). All of them must hold for the same event.
    - `weekday` and `time_of_day` (from the first minute up to the second, past midnight if it is earlier) are those of
      the customer's own clock when it happened; the shop's, where the customer's zone is unknown.
    - `then` keeps the events that a later one follows, `then_not` those that none follows within that time, which must
      have passed; `product: same` asks for the same product.

    These look at a customer's events together, and all of them must hold:

    - `times` counts occasions: all lines of one order are one; without it, once is enough.
    - `sum` and `average` take the amounts (or another number: `{quantity: at least 3}`), to a millionth; missing ones
      are left out, and a customer without any is neither above nor below. With a currency, amounts marked with another
      one are left out.
    - `distinct: {category: at least 2}` counts different values, a missing one not among them; `product` and `order`
      are short for their ids.
    - `first` and `last` say when the first or the last of the events was.
    - `most` asks for the value that most of the events have; of several that are equally frequent each one is it.
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
        """The same as one test of a customer's events, where it is one."""
        return build_tally(self.options.did, self.options, data)


class DidNotOptions(Behaviour):
    did_not: str = Field(min_length=1)


class DidNot:
    """The customers of whom the same words after `did` are not true.

        {did_not: purchase, in_the_last: 90d}

    So `{did_not: purchase, times: at least 2}` holds for those who bought once or never. A span that isn't over yet
    holds for nobody: what has not happened may still happen. `in_the_last` and `after` end at the audience's instant.
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
        """Those for whom it does not hold; None while a span isn't over, when it holds for nobody."""
        return select_customers(self.options.did_not, self.options, data) if self._has_closed(data) else None

    def tally(self, data: Snapshot) -> Tally | None:
        """`complement_of` as one test of a customer's events, where it is one."""
        found = build_tally(self.options.did_not, self.options, data) if self._has_closed(data) else None
        return None if found is None else replace(found, negated=True)

    def _has_closed(self, data: Snapshot) -> bool:
        spans = (self.options, self.options.first, self.options.last)
        return all(has_ended(span, data) for span in spans if span is not None)


def select_customers(event: str, options: Behaviour, data: Snapshot) -> ir.Table:
    """customer_id, distinct: choose the events, then group them only if they must be looked at together."""
    if options.product is not None:
        raise ConfigurationError("product: same needs a campaign that starts with a product, which is not built yet")
    known = join_products(data.events, options.attributes(), data)
    spans, tests = span_tests(known.occurred_at, options, data), where_tests(known, options.where, data)
    events = filter_local_time(known.filter(known.type == event, *spans, *tests), options, data)
    after = options.then or options.then_not
    if after is not None:
        events = filter_followed(events, known, after, data, absent=options.then is None)
    return filter_customers(events, options, data)
