"""A deliberately naive second reading of the rule grammar: plain dicts, loops and exact decimals, customer by customer.

It shares no code with `automation.rules`, parses what the YAML says by itself, and is slow on purpose.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]
Written = Mapping[str, Any]
SPANS = ("in_the_last", "between", "before", "after")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


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
        "not_contacted": _not_contacted,
    }
    (key,) = rules.keys() & written.keys()
    return rules[key](written, customer, shop)


def ranked(by: str | Written, shop: Shop) -> list[tuple[str, Decimal]]:
    """The customers who have the value, the highest first, with it."""
    found = []
    for customer in shop.customers:
        value = _value(by, customer, shop) if isinstance(by, str) else _figure(by, customer, shop)
        if value is not None:
            found.append((customer["customer_id"], value))
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def _value(by: str, customer: Row, shop: Shop) -> Decimal | None:
    me = customer["customer_id"]
    if by in shop.segments:
        value = shop.segments[by].get(me, (None, None))[1]
    elif by in customer:
        value = customer[by]
    else:
        value = next((row[by] for row in shop.profiles if row["customer_id"] == me), None)
    return None if value is None else Decimal(str(value))


def _figure(by: Written, customer: Row, shop: Shop) -> Decimal | None:
    mine = _events(by["did"], by, customer, shop)
    if not mine:
        return None
    kinds = [kind for kind in ("sum", "average", "distinct") if kind in by]
    if not kinds:
        return Decimal(_occasions(mine))
    name = str({"product": "product_id", "order": "order_id"}.get(by[kinds[0]], by[kinds[0]]))
    values = [value for event in mine if (value := _attribute(name, event, shop)[0]) is not None]
    if kinds[0] == "distinct":
        return Decimal(len(set(values)))
    if not values:
        return None
    total = sum((Decimal(str(value)) for value in values), Decimal(0)) / (len(values) if kinds[0] == "average" else 1)
    return total.quantize(Decimal("0.000001"))


def duration(text: str) -> timedelta:
    return timedelta(seconds=int(text[:-1]) * SECONDS[text[-1]])


# Traits


def _trait(rule: Written, customer: Row, shop: Shop) -> bool:
    value: Any = customer
    for part in [rule["trait"]] if rule["trait"] in customer else rule["trait"].split("."):
        value = None if value is None else value.get(part)
    if "." in rule["trait"] and rule["trait"].split(".")[0] not in customer:
        value = customer[rule["trait"].replace(".", "_")]
    if "anniversary" in rule:
        return value is not None and _celebrates(value, rule["anniversary"], customer, shop)
    said = {name: said for name, said in rule.items() if name != "trait"}
    return _test(said, value, shop, currency=customer.get("currency"))


def _celebrates(born: date, said: Any, customer: Row, shop: Shop) -> bool:
    day = shop.as_of.astimezone(_zone(customer, shop)).date()
    for _ in range(1 if said == "today" else int(said["in_the_next"].removesuffix("d"))):
        try:
            party = born.replace(year=day.year)
        except ValueError:
            party = date(day.year, 2, 28)
        if party == day:
            return True
        day += timedelta(days=1)
    return False


def _zone(customer: Row, shop: Shop) -> ZoneInfo:
    try:
        return ZoneInfo(customer["timezone"] or shop.timezone)
    except (KeyError, ValueError):
        return ZoneInfo(shop.timezone)


def _profile(rule: Written, customer: Row, shop: Shop) -> bool:
    mine = [row for row in shop.profiles if row["customer_id"] == customer["customer_id"]]
    value = mine[0][rule["profile"]] if mine else None
    return _test({name: said for name, said in rule.items() if name != "profile"}, value, shop)


# Behaviour


def _did_not(rule: Written, customer: Row, shop: Shop) -> bool:
    for span in (rule, rule.get("first", {}), rule.get("last", {})):
        if (
            "between" in span
            and not _is_age(span["between"][0])
            and _midnight(span["between"][1], 1, shop) > shop.as_of
        ):
            return False
        if "before" in span and _midnight(span["before"], 0, shop) > shop.as_of:
            return False
        if "after" in span and _midnight(span["after"], 1, shop) > shop.as_of:
            return False
    return not _did(rule["did_not"], rule, customer, shop)


def _events(kind: str, rule: Written, customer: Row, shop: Shop) -> list[Row]:
    return [
        event
        for event in shop.events
        if event["customer_id"] == customer["customer_id"]
        and event["type"] == kind
        and _in_time(rule, event["occurred_at"], shop)
        and _attributes_pass(rule, event, shop)
        and _on_the_clock(rule, event, customer, shop)
        and _followed(rule, event, shop)
    ]


def _did(kind: str, rule: Written, customer: Row, shop: Shop) -> bool:
    mine = _events(kind, rule, customer, shop)
    if not mine:
        return False
    tests = [
        "times" not in rule or _compare(rule["times"], Decimal(_occasions(mine))),
        "sum" not in rule or _total(rule["sum"], mine, shop, average=False),
        "average" not in rule or _total(rule["average"], mine, shop, average=True),
        "distinct" not in rule or _distinct(rule["distinct"], mine, shop),
        "first" not in rule or _in_time(rule["first"], min(event["occurred_at"] for event in mine), shop),
        "last" not in rule or _in_time(rule["last"], max(event["occurred_at"] for event in mine), shop),
        "most" not in rule or _mostly(rule["most"], mine, shop),
        "every" not in rule or _regular(rule["every"], rule["for"], mine, shop),
    ]
    return all(tests)


def _occasions(events: Sequence[Row]) -> int:
    return len({e["order_id"] for e in events if e["order_id"]}) + sum(not e["order_id"] for e in events)


def _attributes_pass(rule: Written, event: Row, shop: Shop) -> bool:
    for name, said in rule.get("where", {}).items():
        test = said if isinstance(said, Mapping) else {"in" if isinstance(said, list) else "is": said}
        value, currency = _attribute(name, event, shop)
        if not _test(test, value, shop, currency=currency):
            return False
    return True


def _attribute(name: str, event: Row, shop: Shop) -> tuple[Any, str | None]:
    """The event's, or else its product's; and the currency that stands beside it."""
    if name in event:
        return event[name], event["currency"]
    for product in shop.products:
        if product["product_id"] == event["product_id"]:
            return product[name], product.get("currency")
    return None, None


def _on_the_clock(rule: Written, event: Row, customer: Row, shop: Shop) -> bool:
    there: datetime = event["occurred_at"].astimezone(_zone(customer, shop))
    days = rule.get("weekday", WEEKDAYS)
    if WEEKDAYS[there.weekday()] not in ([days] if isinstance(days, str) else days):
        return False
    if "time_of_day" not in rule:
        return True
    start, end = str(rule["time_of_day"]).split("-")
    clock = there.strftime("%H:%M:%S.%f")
    begun, ended = clock >= start, clock < end
    return (begun and ended) if start < end else (begun or ended)


def _followed(rule: Written, event: Row, shop: Shop) -> bool:
    if "then" in rule:
        return _follower(rule["then"], event, shop)
    if "then_not" not in rule:
        return True
    said = rule["then_not"]
    if "product" in said and event["product_id"] is None:
        return False
    if "within" not in said:
        return not _follower(said, event, shop)
    return event["occurred_at"] + duration(said["within"]) < shop.as_of and not _follower(said, event, shop)


def _follower(said: Written, event: Row, shop: Shop) -> bool:
    for other in shop.events:
        if other["customer_id"] != event["customer_id"] or other["type"] != said["did"]:
            continue
        if "product" in said and (other["product_id"] is None or other["product_id"] != event["product_id"]):
            continue
        gap = other["occurred_at"] - event["occurred_at"]
        if gap <= timedelta(0) or ("within" in said and gap > duration(said["within"])):
            continue
        if _attributes_pass(said, other, shop):
            return True
    return False


def _total(said: Any, events: Sequence[Row], shop: Shop, *, average: bool) -> bool:
    ((name, comparison),) = said.items() if isinstance(said, Mapping) else [("amount", said)]
    wanted = re.search("[A-Z]{3}$", str(comparison))
    known = []
    for event in events:
        value, currency = _attribute(name, event, shop)
        if value is not None and (wanted is None or currency in (None, wanted[0])):
            known.append(Decimal(str(value)))
    if not known:
        return False
    total = sum(known, Decimal(0)) / (len(known) if average else 1)
    return _compare(comparison, total.quantize(Decimal("0.000001")))


def _distinct(said: Written, events: Sequence[Row], shop: Shop) -> bool:
    ((name, comparison),) = said.items()
    name = {"product": "product_id", "order": "order_id"}.get(name, name)
    values = {_attribute(name, event, shop)[0] for event in events} - {None}
    return _compare(comparison, Decimal(len(values)))


def _mostly(said: Written, events: Sequence[Row], shop: Shop) -> bool:
    name = "product_id" if said["of"] == "product" else str(said["of"])
    counts = Counter(value for event in events if (value := _attribute(name, event, shop)[0]) is not None)
    wanted = said["in"] if "in" in said else [said["is"]]
    return any(n == max(counts.values()) and value in wanted for value, n in counts.items())


def _regular(every: str, count: int, events: Sequence[Row], shop: Shop) -> bool:
    period = duration({"hour": "1h", "day": "1d", "week": "1w"}.get(every, every))
    return all(
        any(shop.as_of - period * (n + 1) <= event["occurred_at"] < shop.as_of - period * n for event in events)
        for n in range(count)
    )


# Segments and messages


def _segment(rule: Written, customer: Row, shop: Shop) -> bool:
    found = shop.segments[rule["segment"]].get(customer["customer_id"])
    if found is None:
        return False
    label, score = found
    if str(rule.get("score")).startswith("top "):
        scores = {name: one[1] for name, one in shop.segments[rule["segment"]].items() if one[1] is not None}
        order = sorted(scores, key=lambda name: (-scores[name], name))
        highest = order[: math.ceil(Fraction(rule["score"][4:-1]) / 100 * len(order))]
        if customer["customer_id"] not in highest:
            return False
    elif "score" in rule and (score is None or not _compare(rule["score"], Decimal(str(score)))):
        return False
    return "label" not in rule or label == rule["label"]


def _message(rule: Written, customer: Row, shop: Shop) -> bool:
    said, me = rule["message"], customer["customer_id"]
    sent = [row for row in shop.decisions if row["outcome"] == "message"]
    of_campaign = [row for row in sent if row["campaign"] == said.get("campaign", row["campaign"])]
    if said["was"] in ("opened", "clicked"):
        kinds = {"opened": ["email_open"], "clicked": ["email_click", "click"]}[said["was"]]
        ids = {row.get("message_id") for row in of_campaign} - {None}
        return any(
            event["customer_id"] == me
            and event["type"] in kinds
            and _in_time(rule, event["occurred_at"], shop)
            and ("campaign" not in said or event["campaign"] == said["campaign"] or event.get("message_id") in ids)
            for event in shop.events
        )
    mine = [row for row in of_campaign if row["customer_id"] == me and _in_time(rule, row["decided_at"], shop)]
    if said["was"] == "received":
        return bool(mine)
    goal = {"did": "purchase", "within": "7d", **said.get("goal", {})}
    return any(
        event["customer_id"] == me
        and event["type"] == goal["did"]
        and timedelta(0) < event["occurred_at"] - row["decided_at"] <= duration(goal["within"])
        for row in mine
        for event in shop.events
    )


def _not_contacted(rule: Written, customer: Row, shop: Shop) -> bool:
    return not any(
        row["customer_id"] == customer["customer_id"]
        and row["outcome"] == "message"
        and row["campaign"] == rule.get("campaign", row["campaign"])
        and shop.as_of - row["decided_at"] <= duration(rule["not_contacted"])
        for row in shop.decisions
    )


# Time


def _in_time(rule: Written, at: datetime, shop: Shop) -> bool:
    if "in_the_last" in rule:
        return shop.as_of - at <= duration(rule["in_the_last"])
    if "between" in rule:
        first, last = rule["between"]
        if _is_age(first):
            return duration(first) < shop.as_of - at <= duration(last)
        return _midnight(first, 0, shop) <= at < _midnight(last, 1, shop)
    if "before" in rule:
        return at < _midnight(rule["before"], 0, shop)
    return "after" not in rule or at >= _midnight(rule["after"], 1, shop)


def _is_age(written: str | date) -> bool:
    return re.fullmatch("[0-9]+[a-z]", str(written)) is not None


def _midnight(day: str | date, later: int, shop: Shop) -> datetime:
    that = (date.fromisoformat(day) if isinstance(day, str) else day) + timedelta(days=later)
    return datetime(that.year, that.month, that.day, tzinfo=ZoneInfo(shop.timezone)).astimezone(UTC)


# Values


def _test(said: Written, value: Any, shop: Shop, *, currency: str | None = None) -> bool:
    ((operator, operand),) = said.items()
    if operator == "exists":
        return (value is not None) == bool(operand)
    if operator in ("is_not", "not_in"):
        return not _test({"is" if operator == "is_not" else "in": operand}, value, shop, currency=currency)
    return value is not None and _known(operator, operand, value, shop, currency)


def _known(operator: str, operand: Any, value: Any, shop: Shop, currency: str | None) -> bool:
    if isinstance(value, datetime):
        return _test_instant(operator, operand, value, shop)
    if isinstance(value, date):
        return _test_date(operator, operand, value, shop)
    if isinstance(value, list | tuple) or operator in ("contains_any", "contains_all"):
        return _test_list(operator, operand, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _holds(operator, operand, value)
    if any(_another_currency(one, currency) for one in (operand if isinstance(operand, list) else [operand])):
        return False
    return _holds(operator, [*map(_number, operand)] if isinstance(operand, list) else _number(operand), value)


def _holds(operator: str, operand: Any, value: Any) -> bool:
    answers: dict[str, Callable[[], bool]] = {
        "is": lambda: value == operand,
        "in": lambda: value in operand,
        "at_least": lambda: value >= operand,
        "at_most": lambda: value <= operand,
        "more_than": lambda: value > operand,
        "less_than": lambda: value < operand,
        "between": lambda: operand[0] <= value <= operand[1],
        "contains": lambda: operand in value,
        "starts_with": lambda: value[: len(operand)] == operand,
        "ends_with": lambda: value[len(value) - len(operand) :] == operand and len(value) >= len(operand),
        "matches": lambda: re.fullmatch(operand, value, re.ASCII) is not None,
        "before": lambda: value < operand,
        "after": lambda: value > operand,
    }
    return answers[operator]()


def _test_instant(operator: str, operand: Any, value: datetime, shop: Shop) -> bool:
    if operator == "older_than" or (operator == "between" and _is_age(operand[0])):
        ages = (operand, "9999d") if operator == "older_than" else operand
        return duration(ages[0]) < shop.as_of - value <= duration(ages[1])
    if operator == "within":
        if "in_the_last" in operand:
            return timedelta(0) < shop.as_of - value <= duration(operand["in_the_last"])
        return timedelta(0) <= value - shop.as_of < duration(operand["in_the_next"])
    day = value.astimezone(ZoneInfo(shop.timezone)).date().isoformat()
    if operator == "before":
        return day < str(operand)
    if operator == "after":
        return day > str(operand)
    return str(operand[0]) <= day <= str(operand[1])


def _test_date(operator: str, operand: Any, value: date, shop: Shop) -> bool:
    today = shop.as_of.astimezone(ZoneInfo(shop.timezone)).date()
    if operator == "older_than":
        return (today - value).days >= duration(operand).days
    if operator == "within":
        if "in_the_last" in operand:
            return 0 <= (today - value).days < duration(operand["in_the_last"]).days
        return 0 <= (value - today).days < duration(operand["in_the_next"]).days
    if operator == "between" and _is_age(operand[0]):
        return duration(operand[0]).days <= (today - value).days < duration(operand[1]).days
    days = [date.fromisoformat(day) for day in (operand if isinstance(operand, list) else [operand])]
    return _holds(operator, days if isinstance(operand, list) else days[0], value)


def _test_list(operator: str, operand: Any, value: Any) -> bool:
    items = [item.strip(" \t\r\n") for item in value.split(",")] if isinstance(value, str) else value
    wanted = [operand] if isinstance(operand, str) else operand
    found = [item in items for item in wanted]
    return any(found) if operator == "contains_any" else all(found)


def _another_currency(written: Any, currency: str | None) -> bool:
    money = re.fullmatch(r".* ([A-Z]{3})", str(written))
    return money is not None and currency is not None and money[1] != currency


def _number(written: Any) -> float:
    """`0.2`, `20%`, `100 EUR`, or `7d` of a column in days."""
    text = str(written)
    if text.endswith("%"):
        return float(Decimal(text[:-1]) / 100)
    if text[-1] in SECONDS:
        return duration(text) / timedelta(days=1)
    return float(text.split(" ", maxsplit=1)[0])


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
