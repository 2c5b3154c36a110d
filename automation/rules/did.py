"""`did` and `did_not`: what a customer has done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema, field_validator
from pydantic_core.core_schema import ValidationInfo

from automation.contracts import Options, Snapshot
from automation.errors import ConfigurationError
from automation.rules.attributes import find_attribute
from automation.rules.operators import Tested
from automation.rules.where import filter_events
from automation.rules.window import Days, Lookback, has_closed, within
from automation.types.quantity import Comparison, NumberComparison, parse_comparison

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True)
class Total:
    """A sum over an attribute of the events, and what it must come to."""

    attribute: str
    comparison: Comparison


def parse_total(written: object) -> Total:
    """`at least 100 EUR` (of the amounts), or one attribute: `{quantity: at least 3}`."""
    if isinstance(written, Total):
        return written
    if not isinstance(written, Mapping):
        return Total("amount", parse_comparison(written))
    if len(written) != 1:
        raise ValueError("sum wants one attribute, such as {amount: at least 100}")
    ((attribute, comparison),) = written.items()
    total = Total(str(attribute), parse_comparison(comparison))
    if total.comparison.currency and attribute != "amount":
        raise ValueError(f"only amounts have a currency; write {{{attribute}: {_without_currency(total.comparison)}}}")
    return total


def _occasions(times: Comparison) -> Comparison:
    if times.currency:
        raise ValueError(f"times counts occasions, not money; write {_without_currency(times)}, or use sum")
    if times.number != times.number.to_integral_value():
        raise ValueError(f"nobody does something {times.number} times; write a whole number")
    if times.number < 0 or (times.holds(0) and not times.holds(1)):
        raise ValueError("times counts from 1; to say that it never happened, use did_not")
    return times


def _without_currency(comparison: Comparison) -> Comparison:
    return Comparison(comparison.operator, comparison.number)


_ONCE = Comparison("at_least", Decimal(1))
_COMPARISON_SCHEMA: dict[str, Any] = {"type": ["string", "number"]}
_TOTAL_SCHEMA: dict[str, Any] = {
    "anyOf": [
        _COMPARISON_SCHEMA,
        {"type": "object", "additionalProperties": _COMPARISON_SCHEMA, "minProperties": 1, "maxProperties": 1},
    ],
    "examples": ["at least 100 EUR", {"quantity": "at least 3"}],
}


class Behaviour(Options):
    """How often, when, with what and how much: the part that `did` and `did_not` share."""

    times: Annotated[NumberComparison, AfterValidator(_occasions)] | None = None
    in_the_last: Lookback | None = None
    between: Days | None = None
    where: Mapping[str, Tested] = Field(default_factory=dict)
    sum: Annotated[Any, BeforeValidator(parse_total), WithJsonSchema(_TOTAL_SCHEMA)] = None
    product: Literal["same"] | None = None

    @field_validator("between")
    @classmethod
    def _one_span(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.data.get("in_the_last") is not None:
            raise ValueError("in_the_last and between are two spans of time; keep one")
        return value


class DidOptions(Behaviour):
    did: str = Field(min_length=1)


class Did:
    """Customers who did something: an event's type, how often, when, with what, and how much.

        {did: purchase, times: at least 2, in_the_last: 365d, where: {category: shoes}}
        {did: purchase, between: [2026-11-01, 2026-11-30], sum: at least 100 EUR}

    - `times` counts occasions: all lines of one order are one; without it, once is enough.
    - `in_the_last: 90d` is the half-open span from exactly 90 × 24 hours before the audience's instant up to it;
      `between` names the first and the last day, both included, in the shop's zone.
    - `where` tests attributes of the event, or else of its product: a value to equal, a list to be in, or one operator
      (`price: {at_least: 20}`). All of them must hold for the same event.
    - `sum` adds up the amounts (or another number: `{quantity: at least 3}`); missing ones add nothing, and a customer
      without any is neither above nor below. With a currency, amounts marked with another one are left out.
    """

    key: ClassVar[str] = "did"

    Options: ClassVar[type[BaseModel]] = DidOptions

    def __init__(self, options: DidOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        """Raises `ConfigurationError` for an unknown attribute, or one that can't be compared like this."""
        return who_did(self.options.did, self.options, data)


class DidNotOptions(Behaviour):
    did_not: str = Field(min_length=1)


class DidNot:
    """The customers of whom the same words after `did` are not true.

        {did_not: purchase, in_the_last: 90d}

    So `{did_not: purchase, times: at least 2}` holds for those who bought once or never. A span `between` that isn't
    over yet holds for nobody: what has not happened may still happen.
    """

    key: ClassVar[str] = "did_not"

    Options: ClassVar[type[BaseModel]] = DidNotOptions

    def __init__(self, options: DidNotOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        """Raises `ConfigurationError` as `did` does."""
        everyone = data.customers.select("customer_id")
        if not has_closed(self.options.between, data):
            return everyone.limit(0)
        return everyone.anti_join(who_did(self.options.did_not, self.options, data), "customer_id")


def who_did(event: str, options: Behaviour, data: Snapshot) -> ir.Table:
    """customer_id, distinct: filter the events, then group them only if something must be counted or added up."""
    if options.product is not None:
        raise ConfigurationError("product: same needs a campaign that starts with a product, which is not built yet")
    events = data.events.filter(data.events.type == event)
    events = within(events, "occurred_at", data, in_the_last=options.in_the_last, between=options.between)
    events = filter_events(events, options.where, data)
    having = {}
    if options.times is not None and options.times != _ONCE:
        # An order's lines are one occasion; an event without an order is one by itself.
        having["times"] = events.order_id.nunique() + events.order_id.isnull().sum()
    if options.sum is not None:
        having["total"] = _total(events, options.sum)
    if not having:
        return events.select("customer_id").distinct()
    grouped = events.group_by("customer_id").aggregate(**having)
    if "times" in having:
        assert options.times is not None
        grouped = grouped.filter(options.times.holds(grouped.times))
    if "total" in having:
        grouped = grouped.filter(options.sum.comparison.holds(grouped.total))
    return grouped.select("customer_id")


def _total(events: ir.Table, total: Total) -> ir.Value:
    attribute = find_attribute(events, total.attribute, "attribute")
    if attribute.kind != "number":
        raise ConfigurationError(f"{attribute.what} is not a number, so it can't be added up")
    currency = total.comparison.currency
    counted = None if currency is None else events.currency.isnull() | (events.currency == currency)
    # To a millionth, so that 0.7 + 0.1 is at least 0.8.
    return attribute.column.cast("float64").sum(where=counted).round(6)
