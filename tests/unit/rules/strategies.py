"""Shops and rules that nobody thought of, biased to where rules break: edges of spans, ties, gaps, changes of clocks.

What a row holds besides its customer, kind and instant comes from tables made once: an example takes few draws.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from hypothesis import strategies as st
from unit.rules.oracle import Shop, duration

Strategy = st.SearchStrategy[Any]

WHO = ["c1", "c2", "c3", "c4"]
ZONES = ["Europe/Berlin", "America/New_York", "Pacific/Auckland", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"]
CHANGES = [  # of clocks, and the hour that they repeat or skip
    datetime(2026, 3, 8, 7, tzinfo=UTC),  # New York forward
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # Berlin forward
    datetime(2026, 4, 4, 14, tzinfo=UTC),  # Auckland back
    datetime(2026, 9, 26, 14, tzinfo=UTC),  # Auckland forward
    datetime(2026, 10, 25, 1, tzinfo=UTC),  # Berlin back
    datetime(2026, 11, 1, 6, tzinfo=UTC),  # New York back
]
INSTANTS = [
    datetime(2026, 3, 29, 0, 59, 59, 999999, tzinfo=UTC),  # Europe's clocks go forward a microsecond later
    datetime(2026, 4, 5, 0, 0, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 30, tzinfo=UTC),  # and have just gone back
    datetime(2026, 11, 1, 6, 0, 0, 1, tzinfo=UTC),
    datetime(2027, 2, 28, 12, 0, tzinfo=UTC),  # a common year
    datetime(2028, 2, 28, 23, 30, tzinfo=UTC),  # a leap year
    datetime(2028, 2, 29, 10, 0, tzinfo=UTC),
    datetime(2026, 12, 31, 11, 0, 0, 1, tzinfo=UTC),  # already next year in the far east
]
MICROSECOND = timedelta(microseconds=1)
NUDGES = (-MICROSECOND, timedelta(0), MICROSECOND)
SPANS = ["24h", "1d", "2d", "1w"]
AGO = [["24h", "2d"], ["1d", "2d"], ["1d", "1w"], ["2d", "1w"], ["7d", "2w"]]
GAPS = ["1h", "1d", "2d"]
COMPARISONS = ["at least", "at most", "exactly", "more than", "less than"]
CENTS = [0.0, 0.1, 0.2, 0.3, 0.7, 7.5, 19.9]
BIRTHDAYS = [date(1992, 2, 29), date(1990, 2, 28), date(1985, 3, 1), date(2000, 12, 31), date(1999, 1, 1)]
DAYS = [timedelta(days=days) for days in (0, 1, 2, 7, 14, 28)]
AGES = [timedelta(days=days) for days in (1, 2, 3, 7, 14)]


def _rows(count: int, **columns: list[Any]) -> list[dict[str, Any]]:
    """Combinations of the columns' values, each column walking at its own pace."""
    steps = [1, 3, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41]
    return [
        {
            name: values[(n * step + n // len(values)) % len(values)]
            for step, (name, values) in zip(steps, columns.items(), strict=False)
        }
        for n in range(count)
    ]


TRAITS = _rows(
    96,
    country=["DE", "AT", "US", "", None, "DE\n", "de"],
    timezone=[*ZONES, None, "Mars/Olympus"],
    points=[0.0, 5.0, 19.9, -1.0, None],
    currency=["EUR", None, "USD"],
    vip=[True, False, None],
    tags=["vip", "vip, gold", " gold ,vip", "vipgold,x", "", None, "gold"],
    interests=[["tea"], ["tea", "mugs"], [], None, ["mugs"]],
    address=[{"city": "Bonn"}, {"city": None}, {"city": "Graz"}],
    home_city=["Bonn", None, "Graz"],
)
DETAILS = _rows(
    240,
    product_id=["p0", "p0", "p1", None, "p2", "p0", "unknown"],
    order_id=[None, "o1", "o2", None, "e0"],
    quantity=[1.0, 2.0, None],
    amount=[*CENTS, None],
    currency=["EUR", None, "USD", "EUR"],
    campaign=["winback", None, "welcome"],
    message_id=[None, "m1", None, "m2", "m9"],
)
PRODUCTS = _rows(
    60,
    category=["shoes", "hats", None],
    brand=["Alma", "Birk", None, "Alma"],
    price=[*CENTS, None],
    currency=["EUR", None, "USD"],
    stock=[0.0, None, 3.0],
)
FIELDS = _rows(
    24,
    recency_days=[0.5, 7.0, 30.0, 1.0],
    frequency=[1, 2, 3],
    monetary=[*CENTS, None],
    discount_share=[0.0, 0.2, 1.0, None],
)
KINDS = ["purchase"] * 5 + ["view"] * 3 + ["email_open", "email_click", "click"]


def maybe(values: Any) -> Strategy:
    return st.none() | st.sampled_from(values)


def edges(as_of: datetime) -> list[datetime]:
    """Just inside and outside of spans, at local midnights and full hours, and where clocks change."""
    spans = [as_of - age + nudge for age in AGES for nudge in NUDGES]
    midnights = [
        datetime(day.year, day.month, day.day, hour, tzinfo=UTC) - nudge
        for day in (as_of - timedelta(days=2), as_of - timedelta(days=6))
        for hour in (0, 4, 5, 10, 11, 22, 23)
        for nudge in (timedelta(0), MICROSECOND)
    ]
    changes = [
        change + shift + nudge
        for change in CHANGES
        for shift in (timedelta(0), timedelta(minutes=-30), timedelta(hours=1))
        for nudge in (-MICROSECOND, timedelta(0))
        if timedelta(hours=2) < as_of - change < timedelta(days=40)
    ]
    return [as_of - MICROSECOND, *spans, *midnights, *changes]


@st.composite
def instants(draw: st.DrawFn, as_of: datetime, others: list[datetime]) -> datetime:
    """Before `as_of`: at an edge, anywhere, at the same instant as another, or a gap of a sequence from it."""
    way = draw(st.integers(0, 5))
    if way <= 2 or (way <= 4 and not others):
        return draw(st.sampled_from(edges(as_of)))
    if way == 5:
        return as_of - draw(st.integers(1, 40 * 86_400_000_000)) * MICROSECOND
    near = draw(st.sampled_from(others))
    gap = draw(st.sampled_from([timedelta(0), timedelta(hours=1), timedelta(days=1), timedelta(days=2)]))
    moved = near + gap + draw(st.sampled_from(NUDGES))
    return moved if moved < as_of else as_of - MICROSECOND


@st.composite
def shops(draw: st.DrawFn) -> Shop:
    as_of = draw(st.sampled_from(INSTANTS))
    who = WHO[: draw(st.sampled_from([1, 2, 3, 4, 4]))]
    home = draw(st.sampled_from(ZONES))
    today = as_of.date()
    days = [*BIRTHDAYS, *(today - day + shift for day in DAYS for shift in (timedelta(0), timedelta(days=1)))]
    customers = [
        {
            **draw(st.sampled_from(TRAITS)),
            "customer_id": name,
            "birthday": draw(maybe(days)),
            "created_at": draw(maybe([*edges(as_of), as_of, as_of + timedelta(days=1), as_of + timedelta(days=2)])),
        }
        for name in who
    ]
    products = [{**draw(st.sampled_from(PRODUCTS)), "product_id": f"p{n}"} for n in range(draw(st.integers(0, 3)))]
    events = draw(events_of(as_of))
    profiles = [
        {**draw(st.sampled_from(FIELDS)), "customer_id": name} for name in sorted(draw(st.sets(st.sampled_from(WHO))))
    ]
    segment = {
        name: (draw(maybe(["hot", "cold"])), draw(maybe([0.0, 0.6, 1.0])))
        for name in sorted(draw(st.sets(st.sampled_from(WHO))))
    }
    decisions = draw(decisions_of(as_of, [event["occurred_at"] for event in events]))
    return Shop(as_of, home, customers, products, events, profiles, decisions, {"churn_risk": segment, "nobody": {}})


@st.composite
def events_of(draw: st.DrawFn, as_of: datetime) -> list[dict[str, Any]]:
    """Some of them twice, with another id."""
    events: list[dict[str, Any]] = []
    for n in range(draw(st.sampled_from([0, 3, 6, 8, 10, 12]))):
        if events and draw(st.integers(0, 7)) == 0:
            events.append({**draw(st.sampled_from(events)), "event_id": f"e{n}"})
            continue
        at = draw(instants(as_of, [event["occurred_at"] for event in events]))
        row = {"event_id": f"e{n}", "customer_id": draw(st.sampled_from(["c1", "c1", "c1", *WHO])), "occurred_at": at}
        events.append({**row, "type": draw(st.sampled_from(KINDS)), **draw(st.sampled_from(DETAILS))})
    return events


@st.composite
def decisions_of(draw: st.DrawFn, as_of: datetime, others: list[datetime]) -> list[dict[str, Any]]:
    return [
        {
            "customer_id": draw(st.sampled_from(WHO)),
            "campaign": draw(st.sampled_from(["winback", "welcome"])),
            "outcome": draw(st.sampled_from(["message", "message", "holdout"])),
            "message_id": draw(maybe(["m1", "m2"])),
            "decided_at": draw(instants(as_of, others)),
        }
        for _ in range(draw(st.sampled_from([0, 1, 2, 3])))
    ]


# Rules


def dates_near(instants: Sequence[datetime]) -> tuple[str, ...]:
    """As they are written: those at which spans begin and end, and their neighbours."""
    shifts = (-8, -7, -6, -3, -2, -1, 0, 1, 2)
    return tuple(sorted({(at + timedelta(days=shift)).date().isoformat() for at in instants for shift in shifts}))


DATES = dates_near(INSTANTS)


def either(*choices: Strategy) -> Strategy:
    """Each with the same chance, however many alternatives it has itself (`one_of` counts those)."""
    return st.integers(0, len(choices) - 1).flatmap(choices.__getitem__)


def one(operator: str, operand: Strategy) -> Strategy:
    return operand.map(lambda said: {operator: said})


def joined(*parts: Strategy) -> Strategy:
    return st.tuples(*parts).map(lambda found: {key: said for part in found for key, said in part.items()})


def compared(numbers: list[Any], unit: str = "") -> Strategy:
    said = [f"{how} {number}{unit}" for how, number in itertools.product(COMPARISONS, numbers)]
    return st.sampled_from(said if unit else [*said, *numbers])


def pairs(values: Sequence[Any]) -> Strategy:
    return st.lists(st.sampled_from(values), min_size=2, max_size=2).map(sorted)


def several(values: list[Any]) -> Strategy:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2)


def spans(days: tuple[str, ...]) -> Strategy:
    day = st.sampled_from(days)
    return either(
        one("in_the_last", st.sampled_from(SPANS)),
        one("between", either(pairs(days), st.sampled_from(AGO))),
        one("before", day),
        one("after", day),
    )


def texts(values: list[str], patterns: list[str]) -> Strategy:
    value = st.sampled_from(values)
    part = st.sampled_from([values[0][:1], values[0], values[0][-1:], "%", "e"])
    return either(
        *(one(operator, value) for operator in ("is", "is_not")),
        *(one(operator, several(values)) for operator in ("in", "not_in")),
        *(one(operator, part) for operator in ("contains", "starts_with", "ends_with")),
        one("matches", st.sampled_from(patterns)),
        one("exists", st.booleans()),
    )


def numbers(values: list[Any], units: tuple[str, ...] = ()) -> Strategy:
    value = st.sampled_from([*values, *(f"{number}{unit}" for number in values for unit in units)])
    operators = ("is", "is_not", "at_least", "at_most", "more_than", "less_than")
    return either(
        *(one(operator, value) for operator in operators),
        *(one(operator, several(values)) for operator in ("in", "not_in")),
        one("between", pairs(values)),
        one("exists", st.booleans()),
    )


def dates(days: tuple[str, ...]) -> Strategy:
    span, day = st.sampled_from(["1d", "2d", "7d", "14d"]), st.sampled_from(days)
    around = one("in_the_last", span) | one("in_the_next", span)
    return either(
        one("before", day),
        one("after", day),
        one("between", either(pairs(days), st.sampled_from([["1d", "2d"], ["2d", "14d"], ["7d", "14d"]]))),
        one("within", around),
        one("older_than", span),
        one("exists", st.booleans()),
    )


def lists(values: list[Any]) -> Strategy:
    return either(
        one("contains_any", several(values)), one("contains_all", several(values)), one("exists", st.booleans())
    )


def _trait(name: str, test: Strategy) -> Strategy:
    return test.map(lambda said: {"trait": name, **said})


def traits(days: tuple[str, ...]) -> Strategy:
    born = st.sampled_from([day.isoformat() for day in BIRTHDAYS])
    ahead = st.sampled_from([1, 2, 7, 366]).map(lambda count: {"in_the_next": f"{count}d"})
    truth = one("is", st.booleans()) | one("is_not", st.booleans())
    return either(
        _trait("country", texts(["DE", "AT", "FR"], ["DE", "[A-Z]{2}", "D.", "D|DE|A", "(DE|AT)?", "\\w", "\\w+"])),
        _trait("points", numbers([0, 5, 19.9], (" EUR", " USD"))),
        _trait("vip", truth),
        _trait("birthday", one("anniversary", st.just("today") | ahead)),
        _trait("birthday", either(one("is", born), one("after", born), one("is_not", born), dates(days), dates(days))),
        _trait("created_at", dates(days)),
        _trait("tags", lists(["vip", "gold", "x"])),
        _trait("home.city", one("is", st.sampled_from(["Bonn", "Graz"])) | one("exists", st.booleans())),
    )


def structured_traits() -> Strategy:
    """Of columns that only some engines have: lists, and fields of structs."""
    has = lists(["tea", "mugs"]) | one("contains", st.just("tea"))
    city = one("is", st.just("Bonn")) | one("is_not", st.just("Graz")) | one("exists", st.booleans())
    return either(_trait("interests", has), _trait("address.city", city))


def attributes() -> Strategy:
    """`where`, in its short forms too."""
    category = st.sampled_from(["shoes", "hats"])
    single = either(
        one("category", either(category, several(["shoes", "hats"]), texts(["shoes", "hats"], ["s.*"]))),
        one("price", numbers([0.1, 7.5], (" EUR", " USD"))),
        one("stock", numbers([0.0, 3.0])),
        one("quantity", either(numbers([1.0, 2.0]), st.just(1))),
        one("amount", numbers([0.1, 0.3], (" EUR",))),
        one("currency", texts(["EUR", "USD"], ["E.R"])),
    )
    return either(single, single, joined(single, single))


def counts() -> Strategy:
    return compared([1, 2, 3]).filter(lambda said: said not in ("less than 1", "at most 0"))


def together(days: tuple[str, ...]) -> Strategy:
    """What looks at a customer's events together."""
    totals = either(
        compared([*CENTS[:5], 0.8, 1.0]),
        compared([0.3, 7.5], " EUR"),
        one("quantity", compared([1, 2, 3])),
        one("price", either(compared([0.1, 0.2, 7.5]), compared([0.2, 7.5], " EUR"))),
    )
    kinds = st.sampled_from(["product", "order", "category", "brand", "amount"])
    distinct = st.tuples(kinds, compared([0, 1, 2])).map(lambda said: {said[0]: said[1]})
    most = one("is", st.sampled_from(["shoes", "hats"])) | one("in", several(["shoes", "hats"]))
    popular = st.sampled_from([{"of": "product", "is": "p0"}, {"of": "brand", "is": "Alma"}])
    return either(
        one("times", counts()),
        one("sum", totals),
        one("average", totals),
        one("distinct", distinct),
        one("first", spans(days)),
        one("last", spans(days)),
        one("most", either(most.map(lambda said: {"of": "category", **said}), popular)),
        joined(one("every", st.sampled_from(["day", "week", "24h", "2d"])), one("for", st.integers(1, 3))),
    )


def chosen(days: tuple[str, ...]) -> Strategy:
    """What chooses the events."""
    hours = ["00:00-05:00", "22:00-02:00", "02:00-03:00", "03:00-03:01", "09:30-17:00", "23:59-00:01"]
    weekdays = ["Sunday", "Saturday", ["Sunday", "Monday"], ["Tuesday", "Thursday"]]
    kind = one("did", st.sampled_from(["purchase", "view"]))
    more = either(st.just({}), st.just({"product": "same"}), one("where", attributes()))
    soon = joined(kind, one("within", st.sampled_from(GAPS)), more)
    return either(
        one("where", attributes()),
        one("time_of_day", st.sampled_from(hours)),
        one("weekday", st.sampled_from(weekdays)),
        one("then", either(soon, joined(kind, more))),
        one("then_not", either(soon, joined(kind, more))),
        spans(days),
    )


def behaviours(days: tuple[str, ...]) -> Strategy:
    kind = st.sampled_from(["purchase"] * 5 + ["view"] * 3 + ["never_seen"])
    head = st.tuples(st.sampled_from(["did", "did", "did_not"]), kind).map(lambda said: {said[0]: said[1]})
    none: Strategy = st.just({})
    choice, tests = chosen(days), together(days)
    return either(
        joined(head, either(none, choice)),
        joined(head, choice),
        joined(head, tests),
        joined(head, choice, tests),
        joined(head, choice, choice).filter(_one_span),
    ).filter(_can_hold)


def _one_span(rule: dict[str, Any]) -> bool:
    given = sum(name in rule for name in ("in_the_last", "between", "before", "after"))
    return given <= 1 and not ("then" in rule and "then_not" in rule)


def _can_hold(rule: dict[str, Any]) -> bool:
    """Whether some event could pass; the grammar refuses spans that exclude each other."""
    spans = [rule, rule.get("first", {}), rule.get("last", {})]
    ages, days = [_ages(span) for span in spans], [_days(span) for span in spans]
    for near, far in ages[1:]:
        if max(near, ages[0][0]) >= min(far, ages[0][1]):
            return False
    for first, last in days[1:]:
        if max(first, days[0][0]) > min(last, days[0][1]):
            return False
    waits = duration(rule.get("then_not", {}).get("within", "0d"))
    period = duration({"day": "1d", "week": "1w"}.get(rule.get("every", "0d"), rule.get("every", "0d")))
    return bool(max(waits, period * (rule.get("for", 1) - 1)) < ages[0][1])


def _ages(span: dict[str, Any]) -> tuple[timedelta, timedelta]:
    near, far = span.get("between", ["0d", "0d"])
    if not near.endswith(tuple("hdw")) or near == far:
        near, far = "0d", span.get("in_the_last", "9999d")
    return duration(near), duration(far)


def _days(span: dict[str, Any]) -> tuple[date, date]:
    first, last = span.get("between", ["", ""])
    if "-" in first:
        return date.fromisoformat(first), date.fromisoformat(last)
    before, after = span.get("before"), span.get("after")
    day = timedelta(days=1)
    return (
        date.fromisoformat(after) + day if after else date.min,
        date.fromisoformat(before) - day if before else date.max,
    )


def profiles() -> Strategy:
    fields = st.sampled_from(["recency_days", "frequency", "monetary", "discount_share"])
    units: list[dict[str, Any]] = [
        {"profile": "recency_days", "at_most": "7d"},
        {"profile": "recency_days", "between": ["12h", "1w"]},
        {"profile": "discount_share", "at_least": "20%"},
        {"profile": "discount_share", "less_than": "100%"},
        {"profile": "monetary", "more_than": "0.10 EUR"},
    ]
    plain = st.tuples(fields, numbers([0.2, 1, 7])).map(lambda said: {"profile": said[0], **said[1]})
    return either(plain, st.sampled_from(units))


def rankings(days: tuple[str, ...] = DATES) -> Strategy:
    """What `by` may be: a name, or a figure of events."""
    kind = one("did", st.sampled_from(["purchase", "purchase", "view"]))
    figures = either(
        st.just({}),
        one("sum", st.sampled_from(["amount", "quantity", "price"])),
        one("average", st.sampled_from(["amount", "price"])),
        one("distinct", st.sampled_from(["product", "order", "category"])),
    )
    figure = joined(kind, figures, either(st.just({}), chosen(days))).filter(_can_hold)
    return either(st.sampled_from(["points", "frequency", "monetary", "churn_risk", "nobody"]), figure, figure)


def segments() -> Strategy:
    shares = st.sampled_from(["top 20%", "top 50%", "top 66.7%", "top 100%"])
    asked: dict[str, Strategy] = {
        "score": either(compared([0.0, 0.6]), shares),
        "label": st.sampled_from(["hot", "warm"]),
    }
    names = [{"segment": "churn_risk"}, {"segment": "churn_risk"}, {"segment": "nobody"}]
    return joined(st.sampled_from(names), st.fixed_dictionaries({}, optional=asked))


def messages(days: tuple[str, ...]) -> Strategy:
    campaign = st.sampled_from([{}, {"campaign": "winback"}, {"campaign": "winback"}, {"campaign": "other"}])
    goal = st.fixed_dictionaries({}, optional={"did": st.just("view"), "within": st.sampled_from(GAPS)})
    was = st.sampled_from(["received", "opened", "clicked", "converted"]).map(lambda word: {"was": word})
    converted = st.just({"was": "converted"})
    mailing = either(joined(campaign, was), joined(campaign, converted, one("goal", goal)))
    quiet = joined(one("not_contacted", st.sampled_from(SPANS)), campaign)
    said = one("message", mailing)
    return either(said, joined(said, spans(days)), quiet)


@lru_cache
def leaves(days: tuple[str, ...] = DATES) -> Strategy:
    return either(
        traits(days),
        behaviours(days),
        behaviours(days),
        behaviours(days),
        messages(days),
        either(profiles(), segments(), structured_traits()),
    )


@lru_cache
def conditions(depth: int = 4, days: tuple[str, ...] = DATES) -> Strategy:
    """Groups nested to that depth, a group at the top."""
    inner = leaves(days) if depth == 1 else either(leaves(days), conditions(depth - 1, days))
    count = st.sampled_from([0, 1, 2, 2, 2, 3])
    parts = count.flatmap(lambda number: st.lists(inner, min_size=number, max_size=number))
    return either(one("all", parts), one("any", parts), one("not", inner))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Shop, dict[str, Any]]:
    """A shop, and a rule that speaks of its days."""
    shop = draw(shops())
    days = dates_near([shop.as_of])
    return shop, draw(conditions(4, days))
