"""A deliberately naive second reading of the rule grammar: plain dicts, loops and exact decimals, customer by customer.

It shares no code with `automation.rules`, parses what the YAML says by itself, and is slow on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]
Written = Mapping[str, Any]


@dataclass(frozen=True)
class Shop:
    """`segments`: name → customer_id → (label, score). Events and decisions all lie before `as_of`."""

    as_of: datetime
    timezone: str
    customers: Sequence[Row]
    products: Sequence[Row] = ()
    events: Sequence[Row] = ()
    profiles: Sequence[Row] = ()
    decisions: Sequence[Row] = ()
    segments: Mapping[str, Mapping[str, tuple[str | None, float | None]]] = field(default_factory=dict)


def members(written: Written, shop: Shop) -> set[str]:
    """The ids of the customers that the condition holds for."""
    return {customer["customer_id"] for customer in shop.customers if is_true(written, customer, shop)}


def is_true(written: Written, customer: Row, shop: Shop) -> bool:
    if "all" in written:
        return all(is_true(part, customer, shop) for part in written["all"])
    if "any" in written:
        return any(is_true(part, customer, shop) for part in written["any"])
    if "not" in written:
        return not is_true(written["not"], customer, shop)
    rules: dict[str, Callable[[Written, Row, Shop], bool]] = {
        "trait": _trait,
        "profile": _profile,
        "did": lambda rule, who, where: _did(rule["did"], rule, who, where),
        "did_not": _did_not,
        "segment": _segment,
        "message": _message,
    }
    (key,) = rules.keys() & written.keys()
    return rules[key](written, customer, shop)


def _trait(rule: Written, customer: Row, shop: Shop) -> bool:
    value = customer[rule["trait"]]
    if "anniversary" in rule:
        return value is not None and _celebrates(value, rule["anniversary"], customer, shop)
    return _test({name: said for name, said in rule.items() if name != "trait"}, value, shop)


def _celebrates(born: date, said: Any, customer: Row, shop: Shop) -> bool:
    try:
        zone = ZoneInfo(customer["timezone"] or shop.timezone)
    except (KeyError, ValueError):
        zone = ZoneInfo(shop.timezone)
    day = shop.as_of.astimezone(zone).date()
    for _ in range(1 if said == "today" else int(said["in_the_next"].removesuffix("d"))):
        try:
            party = born.replace(year=day.year)
        except ValueError:
            party = date(day.year, 2, 28)
        if party == day:
            return True
        day += timedelta(days=1)
    return False


def _profile(rule: Written, customer: Row, shop: Shop) -> bool:
    mine = [row for row in shop.profiles if row["customer_id"] == customer["customer_id"]]
    value = mine[0][rule["profile"]] if mine else None
    return _test({name: said for name, said in rule.items() if name != "profile"}, value, shop)


def _did_not(rule: Written, customer: Row, shop: Shop) -> bool:
    if "between" in rule and _midnight(rule["between"][1], 1, shop) > shop.as_of:
        return False
    return not _did(rule["did_not"], rule, customer, shop)


def _did(kind: str, rule: Written, customer: Row, shop: Shop) -> bool:
    mine = [
        event
        for event in shop.events
        if event["customer_id"] == customer["customer_id"]
        and event["type"] == kind
        and _in_time(rule, event["occurred_at"], shop)
        and all(_attribute_passes(name, said, event, shop) for name, said in rule.get("where", {}).items())
    ]
    if not mine:
        return False
    occasions = {("order", e["order_id"]) if e["order_id"] else ("event", e["event_id"]) for e in mine}
    if "times" in rule and not _compare(rule["times"], Decimal(len(occasions))):
        return False
    return "sum" not in rule or _sum_passes(rule["sum"], mine)


def _sum_passes(said: Any, events: Sequence[Row]) -> bool:
    ((name, comparison),) = said.items() if isinstance(said, Mapping) else [("amount", said)]
    currency = re.search("[A-Z]{3}$", str(comparison))
    if currency:
        events = [event for event in events if event["currency"] in (None, currency[0])]
    known = [Decimal(str(event[name])) for event in events if event[name] is not None]
    return bool(known) and _compare(comparison, sum(known, Decimal(0)))


def _attribute_passes(name: str, said: Any, event: Row, shop: Shop) -> bool:
    if name in event:
        value = event[name]
    else:
        products = [product for product in shop.products if product["product_id"] == event["product_id"]]
        value = products[0][name] if products else None
    if isinstance(said, list):
        said = {"in": said}
    return _test(said if isinstance(said, Mapping) else {"is": said}, value, shop)


def _segment(rule: Written, customer: Row, shop: Shop) -> bool:
    found = shop.segments[rule["segment"]].get(customer["customer_id"])
    if found is None:
        return False
    label, score = found
    if "score" in rule and (score is None or not _compare(rule["score"], Decimal(str(score)))):
        return False
    return "label" not in rule or label == rule["label"]


def _message(rule: Written, customer: Row, shop: Shop) -> bool:
    said = rule["message"]
    if said["was"] == "received":
        rows, at = [row for row in shop.decisions if row["outcome"] == "message"], "decided_at"
    else:
        kinds = {"opened": ["email_open"], "clicked": ["email_click", "click"]}[said["was"]]
        rows, at = [row for row in shop.events if row["type"] in kinds], "occurred_at"
    return any(
        row["customer_id"] == customer["customer_id"]
        and ("campaign" not in said or row["campaign"] == said["campaign"])
        and _in_time(rule, row[at], shop)
        for row in rows
    )


def _in_time(rule: Written, at: datetime, shop: Shop) -> bool:
    if "in_the_last" in rule:
        number, unit = rule["in_the_last"][:-1], rule["in_the_last"][-1]
        return shop.as_of - at <= timedelta(hours=int(number) * {"h": 1, "d": 24, "w": 168}[unit])
    if "between" in rule:
        first, last = rule["between"]
        return _midnight(first, 0, shop) <= at < _midnight(last, 1, shop)
    return True


def _midnight(day: str | date, later: int, shop: Shop) -> datetime:
    that = (date.fromisoformat(day) if isinstance(day, str) else day) + timedelta(days=later)
    return datetime(that.year, that.month, that.day, tzinfo=ZoneInfo(shop.timezone)).astimezone(UTC)


def _test(said: Written, value: Any, shop: Shop) -> bool:
    ((operator, operand),) = said.items()
    if operator == "exists":
        return (value is not None) == bool(operand)
    if operator == "is_not":
        return not _test({"is": operand}, value, shop)
    if operator == "not_in":
        return not _test({"in": operand}, value, shop)
    if value is None:
        return False
    if isinstance(value, datetime):
        return _test_instant(operator, operand, value, shop)
    if isinstance(value, date):
        operand = (
            [date.fromisoformat(day) for day in operand] if isinstance(operand, list) else date.fromisoformat(operand)
        )
    answers: dict[str, Callable[[], bool]] = {
        "is": lambda: value == operand,
        "in": lambda: value in operand,
        "at_least": lambda: value >= operand,
        "at_most": lambda: value <= operand,
        "between": lambda: operand[0] <= value <= operand[1],
        "contains": lambda: operand in value,
        "starts_with": lambda: value[: len(operand)] == operand,
        "before": lambda: value < operand,
        "after": lambda: value > operand,
    }
    return answers[operator]()


def _test_instant(operator: str, operand: Any, value: datetime, shop: Shop) -> bool:
    day = value.astimezone(ZoneInfo(shop.timezone)).date().isoformat()
    if operator == "before":
        return day < str(operand)
    if operator == "after":
        return day > str(operand)
    return str(operand[0]) <= day <= str(operand[1])


def _compare(said: Any, value: Decimal) -> bool:
    match = re.fullmatch(r"(?:(at least|at most|exactly|more than|less than) )?([\d.]+)(?: [A-Z]{3})?", str(said))
    assert match is not None, said
    number = Decimal(match[2])
    if match[1] == "at least":
        return value >= number
    if match[1] == "at most":
        return value <= number
    if match[1] == "more than":
        return value > number
    if match[1] == "less than":
        return value < number
    return value == number
