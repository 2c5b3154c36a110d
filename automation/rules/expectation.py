"""`expect`: a campaign's own tests, each with an example customer on one day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import ibis
import polars as pl

from automation.contracts import Snapshot
from automation.contracts.columns import polars_schema
from automation.errors import ConfigurationError
from automation.local_engine import connect
from automation.plugin_manager import Registry
from automation.rules.attributes import Kind, day_start
from automation.rules.behaviour import Behaviour
from automation.rules.comparison import LENGTHS
from automation.rules.compiler import evaluate
from automation.rules.condition_lines import condition_lines, lines_hold
from automation.rules.operators import Operators
from automation.rules.segments import with_segments
from automation.rules.trait import TraitOptions
from automation.rules.values import parse_day
from automation.types.campaign import Campaign, Expectation
from automation.types.condition import Condition, Leaf, leaves, referred_segments
from automation.types.profile import PROFILE_COLUMNS
from automation.types.quantity import Money
from automation.types.schema import CUSTOMERS, DECISION_COLUMNS, EVENTS, PRODUCTS

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend


@dataclass(frozen=True)
class LineValue:
    """One line of the audience, and whether it holds as written for the example customer."""

    path: str
    text: str
    holds: bool


@dataclass(frozen=True)
class ExpectationResult:
    """The result of one expectation, with a description; no lines if the audience could not be evaluated."""

    expectation: Expectation
    passed: bool
    description: str
    lines: tuple[LineValue, ...] = ()


def check_expectations(
    campaign: Campaign, registry: Registry, *, timezone: str, segments: Mapping[str, Condition]
) -> list[ExpectationResult]:
    """Evaluate the audience's condition for every example customer, at noon of the day in the shop's zone.

    The customer has only the given traits and no events, and is in no model's segment. `top` and `sample` are ignored,
    because both compare with other customers.
    """
    if not campaign.expect:
        return []
    condition = campaign.audience.condition
    everything = [condition, *segments.values()]
    nobody = {name: _assign_nobody for name in referred_segments(*everything) if name not in segments}
    connection = connect(threads=1)
    empty = cache(lambda: _empty_tables(everything, connection))
    try:

        def shop_with(expectation: Expectation) -> Snapshot:
            data = _example_snapshot(expectation, everything, connection, timezone, empty())
            return with_segments(data, segments, nobody, registry)

        return [_check(expectation, condition, registry, shop_with) for expectation in campaign.expect]
    finally:
        connection.disconnect()


def _check(
    expectation: Expectation, condition: Condition, registry: Registry, shop_with: Callable[[Expectation], Snapshot]
) -> ExpectationResult:
    try:
        data = shop_with(expectation)
        row = evaluate([condition], data, registry).to_polars().row(0, named=True)
    except ConfigurationError as error:
        return ExpectationResult(expectation, False, f"the audience can't be evaluated: {error}")
    lines = condition_lines(condition)
    held = lines_hold(lines, [row[f"leaf_{n}"] for n, _ in enumerate(leaves(condition))])
    values = tuple(LineValue(line.path, line.text, one) for line, one in zip(lines, held, strict=True))
    passed = row["holds_0"] == (expectation.outcome == "in_audience")
    return ExpectationResult(expectation, passed, _describe(expectation, row["holds_0"], passed, values), values)


def _describe(expectation: Expectation, member: bool, passed: bool, values: Sequence[LineValue]) -> str:
    place = "is in the audience" if member else "is not in the audience"
    facts = "; ".join(f"{value.path} {value.text} {'holds' if value.holds else 'does not hold'}" for value in values)
    verdict = "as expected" if passed else f"but {expectation.outcome.replace('_', ' ')} was expected"
    return f"on {expectation.today} this customer {place}, {verdict}" + (f": {facts}" if facts else "")


def _assign_nobody(data: Snapshot) -> Iterator[pl.DataFrame]:
    return iter(())


def _empty_tables(conditions: Sequence[Condition], connection: Backend) -> dict[str, ir.Table]:
    """A shop without customers and events. Attributes that only the rules name are columns without values."""
    found = [leaf for condition in conditions for leaf in leaves(condition)]
    tables = {
        "products": _empty_table(PRODUCTS.columns),
        "events": _empty_table({**_event_attributes(found), **EVENTS.columns}),
        "profiles": _empty_table(PROFILE_COLUMNS),
        "decisions": _empty_table(DECISION_COLUMNS),
    }
    return {name: _create_table(connection, frame) for name, frame in tables.items()}


def _example_snapshot(
    expectation: Expectation,
    conditions: Sequence[Condition],
    connection: Backend,
    timezone: str,
    empty: Mapping[str, ir.Table],
) -> Snapshot:
    """The empty shop with the example customer, at noon of the day."""
    found = [leaf for condition in conditions for leaf in leaves(condition)]
    noon = datetime.combine(expectation.today, time(12), ZoneInfo(timezone)).astimezone(ZoneInfo("UTC"))
    return Snapshot(
        as_of=noon,
        version="example",
        replayable=True,
        connection=connection,
        segments={},
        timezone=timezone,
        customers=_create_table(connection, _customer(expectation.customer, found, timezone)),
        products=empty["products"],
        events=empty["events"],
        measure_profiles=lambda: empty["profiles"],
        decisions=empty["decisions"],
    )


def _create_table(connection: Backend, frame: pl.DataFrame) -> ir.Table:
    return connection.create_table(ibis.util.gen_name("example"), frame)


def _customer(traits: Mapping[str, Any], found: Sequence[Leaf], timezone: str) -> pl.DataFrame:
    asked = {o.trait: infer_kind(o, o.trait) for leaf in found if isinstance(o := leaf.options, TraitOptions)}
    given = {name: _kind_of(value) for name, value in traits.items() if value is not None}
    meant = {name: kind for name, kind in asked.items() if kind in ("number", "date")}
    kinds: dict[str, str] = {**asked, **given, **meant, **CUSTOMERS.columns}
    row = {name: _typed(name, traits.get(name), kind, timezone) for name, kind in kinds.items()}
    row["customer_id"] = row["customer_id"] or "example"
    return pl.DataFrame([row], schema=polars_schema(kinds))


def _event_attributes(found: Sequence[Leaf]) -> dict[str, str]:
    kinds: dict[str, str] = {"campaign": "text"}
    for leaf in found:
        if isinstance(leaf.options, Behaviour):
            kinds |= {name: _attribute_kind(name, leaf.options) for name in leaf.options.attributes()}
    return {name: kind for name, kind in kinds.items() if name not in PRODUCTS.columns}


def _attribute_kind(name: str, options: Behaviour) -> Kind:
    after = [part.where for part in (options.then, options.then_not) if part is not None]
    tests = [where[name] for where in (options.where, *after) if name in where]
    if name in options.numeric_attributes():
        return "number"
    if options.most is not None and name == options.most.column:
        return _kind_of(options.most.values[0])
    return infer_kind(tests[0], name) if tests else "text"


def infer_kind(operators: Operators, name: str) -> Kind:
    """The kind of value that the comparison is for, as far as the column's name, the operator and its operand show."""
    match operators.operator:
        case "between" if isinstance(operators.operand[0], timedelta):
            return "number" if name.endswith(tuple(LENGTHS)) else "date"
        case "at_least" | "at_most" | "more_than" | "less_than":
            return "number"
        case "before" | "after" | "within" | "older_than" | "anniversary":
            return "date"
        case "is" | "is_not":
            return _kind_of(operators.operand)
        case "in" | "not_in" | "between":
            return _kind_of(operators.operand[0])
    return "text"


def _kind_of(value: object) -> Kind:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal | Money | timedelta):
        return "number"
    return "date" if isinstance(value, date) else "text"


def _typed(name: str, value: Any, kind: str, timezone: str) -> Any:
    """The value with the type of the customers' table. Raises `ConfigurationError`."""
    if value is None:
        return None
    try:
        if kind == "date":
            return parse_day(value)
        if kind == "time":
            return day_start(parse_day(value), timezone)
    except ValueError as error:
        raise ConfigurationError(f"customer.{name}: {error}") from error
    if kind == "text" and not isinstance(value, str):
        raise ConfigurationError(f"customer.{name}: {value!r} is not a text; write it in quotes")
    if kind == "number" and _kind_of(value) != "number":
        raise ConfigurationError(f"customer.{name}: {value!r} is not a number; write it without quotes")
    return float(value) if kind == "number" else value


def _empty_table(kinds: Mapping[str, str]) -> pl.DataFrame:
    return pl.DataFrame(schema=polars_schema(kinds))
