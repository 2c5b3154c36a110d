"""The compiled audience is the oracle's, for shops and rules that nobody thought of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import ibis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.rules.oracle import Shop, members
from unit.rules.written import core_registry, read, snapshot_of

from automation.rules.compiler import evaluate

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

WHO = ["c1", "c2", "c3", "c4"]
ZONES = ["Europe/Berlin", "America/New_York", "Pacific/Auckland", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"]
INSTANTS = [
    datetime(2026, 3, 29, 0, 59, 59, 999999, tzinfo=UTC),  # Europe's clocks go forward a microsecond later
    datetime(2026, 10, 25, 1, 30, tzinfo=UTC),  # and have just gone back
    datetime(2027, 2, 28, 12, 0, tzinfo=UTC),  # a common year
    datetime(2028, 2, 28, 23, 30, tzinfo=UTC),  # a leap year
    datetime(2028, 2, 29, 10, 0, tzinfo=UTC),
    datetime(2026, 12, 31, 11, 0, 0, 1, tzinfo=UTC),  # already next year in the far east
]
KINDS = ["purchase"] * 5 + ["view", "email_open", "email_click", "click"]
MICROSECOND = timedelta(microseconds=1)
SPANS = ["24h", "1d", "1w"]
AGES = [timedelta(days=span) + nudge for span in (1, 7) for nudge in (-MICROSECOND, timedelta(0), MICROSECOND)]
COMPARISONS = ["at least", "at most", "exactly", "more than", "less than"]
CENTS = [0.0, 0.1, 0.2, 0.3, 0.7, 7.5, 19.9]


def maybe(values: Any) -> Any:
    return st.none() | st.sampled_from(values)


def ages(as_of: datetime) -> Any:
    """Instants before `as_of`: just inside and outside of spans, at midnights, and anywhere."""
    midnights = [
        datetime(day.year, day.month, day.day, hour, tzinfo=UTC) - nudge
        for day in (as_of - timedelta(days=2), as_of - timedelta(days=6))
        for hour in (0, 5, 10, 11, 22, 23)
        for nudge in (timedelta(0), MICROSECOND)
    ]
    anywhere = st.integers(1, 40 * 86_400_000_000).map(lambda ago: as_of - ago * MICROSECOND)
    edges = st.sampled_from([as_of - MICROSECOND, *(as_of - age for age in AGES)])
    return edges | edges | st.sampled_from(midnights) | anywhere


@st.composite
def shops(draw: st.DrawFn) -> Shop:
    as_of = draw(st.sampled_from(INSTANTS))
    at = ages(as_of)
    birthdays = [date(1992, 2, 29), date(1990, 2, 28), date(1985, 3, 1), date(2000, 12, 31), date(1999, 1, 1)]
    customers = [
        {
            "customer_id": who,
            "country": draw(maybe(["DE", "AT", "US", ""])),
            "timezone": draw(maybe([*ZONES, "Mars/Olympus"])),
            "points": draw(maybe([0.0, 5.0, 19.9, -1.0])),
            "vip": draw(maybe([True, False])),
            "birthday": draw(maybe(birthdays)),
            "created_at": draw(st.none() | at),
        }
        for who in WHO[: draw(st.integers(2, 4))]
    ]
    products = [
        {
            "product_id": f"p{n}",
            "category": draw(maybe(["shoes", "hats"])),
            "price": draw(maybe(CENTS)),
            "stock": draw(maybe([0.0, 3.0])),
        }
        for n in range(draw(st.integers(1, 3)))
    ]
    events = [
        {
            "event_id": f"e{n}",
            "customer_id": draw(st.sampled_from(WHO)),
            "type": draw(st.sampled_from(KINDS)),
            "occurred_at": draw(at),
            "product_id": draw(maybe(["p0", "p0", "p1", "p2", "unknown"])),
            "order_id": draw(maybe(["o1", "o2", "e0"])),
            "quantity": draw(maybe([1.0, 2.0])),
            "amount": draw(maybe(CENTS)),
            "currency": draw(maybe(["EUR", "USD"])),
            "campaign": draw(maybe(["winback", "welcome"])),
        }
        for n in range(draw(st.integers(4, 14)))
    ]
    profiles = [
        {
            "customer_id": who,
            "recency_days": draw(st.sampled_from([0.5, 7.0, 30.0])),
            "frequency": draw(st.integers(1, 3)),
            "monetary": draw(maybe(CENTS)),
        }
        for who in draw(st.sets(st.sampled_from(WHO)))
    ]
    decisions = [
        {
            "customer_id": draw(st.sampled_from(WHO)),
            "campaign": draw(st.sampled_from(["winback", "welcome"])),
            "outcome": draw(st.sampled_from(["message", "holdout"])),
            "decided_at": draw(at),
        }
        for _ in range(draw(st.integers(0, 4)))
    ]
    segment = {
        who: (draw(maybe(["hot", "cold"])), draw(maybe([0.0, 0.6, 1.0]))) for who in draw(st.sets(st.sampled_from(WHO)))
    }
    zone = draw(st.sampled_from(ZONES))
    return Shop(as_of, zone, customers, products, events, profiles, decisions, {"churn_risk": segment, "nobody": {}})


def days() -> Any:
    """Dates around all the instants, as they are written."""
    near = [(instant + timedelta(days=shift)).date().isoformat() for instant in INSTANTS for shift in range(-8, 3)]
    return st.sampled_from(near)


def comparisons(numbers: list[float] | list[int], unit: str = "") -> Any:
    return st.builds(
        lambda how, number: f"{how} {number}{unit}", st.sampled_from(COMPARISONS), st.sampled_from(numbers)
    )


def spans() -> Any:
    return st.one_of(
        st.just({}),
        st.fixed_dictionaries({"in_the_last": st.sampled_from(SPANS)}),
        st.fixed_dictionaries({"between": st.lists(days(), min_size=2, max_size=2).map(sorted)}),
    )


def one(operator: str, operand: Any) -> Any:
    return st.fixed_dictionaries({operator: operand})


def texts(values: list[str]) -> Any:
    value = st.sampled_from(values)
    several = st.lists(value, min_size=1, max_size=3)
    part = st.sampled_from([values[0][:1], values[0], "%", "e"])
    return st.one_of(
        one("is", value),
        one("is_not", value),
        one("in", several),
        one("not_in", several),
        one("contains", part),
        one("starts_with", part),
        one("exists", st.booleans()),
    )


def numbers(values: list[float]) -> Any:
    value = st.sampled_from(values)
    return st.one_of(
        one("is", value),
        one("is_not", value),
        one("not_in", st.lists(value, min_size=1, max_size=2)),
        one("at_least", value),
        one("at_most", value),
        one("between", st.lists(value, min_size=2, max_size=2).map(sorted)),
        one("exists", st.booleans()),
    )


def dates() -> Any:
    pair = st.lists(days(), min_size=2, max_size=2).map(sorted)
    return st.one_of(one("before", days()), one("after", days()), one("between", pair), one("exists", st.booleans()))


def traits() -> Any:
    def named(name: str, test: Any) -> Any:
        return test.map(lambda said: {"trait": name, **said})

    born = st.sampled_from(["1992-02-29", "1990-02-28", "2000-12-31"])
    ahead = st.sampled_from([1, 2, 7, 366]).map(lambda count: {"in_the_next": f"{count}d"})
    truth = one("is", st.booleans()) | one("is_not", st.booleans())
    return st.one_of(
        named("country", texts(["DE", "AT", "FR"])),
        named("points", numbers([0, 5, 19.9])),
        named("vip", truth),
        named("birthday", one("anniversary", st.just("today") | ahead)),
        named("birthday", one("is", born) | one("after", born) | one("is_not", born)),
        named("created_at", dates()),
    )


def attributes() -> Any:
    """`where`, in its short forms too."""
    category = st.sampled_from(["shoes", "hats"])
    tests = [
        one("category", category | st.lists(category, min_size=1) | texts(["shoes", "hats"])),
        one("price", numbers([0.1, 7.5])),
        one("stock", numbers([0.0, 3.0])),
        one("quantity", numbers([1.0, 2.0]) | st.just(1)),
        one("currency", texts(["EUR", "USD"])),
    ]
    single = st.one_of(tests)
    return single | single | st.builds(lambda first, second: {**first, **second}, single, single)


def behaviours() -> Any:
    counts = comparisons([1, 2, 3]).filter(lambda said: said not in ("less than 1", "at most 0"))
    totals = (
        comparisons([*CENTS[:5], 0.8, 1.0])
        | comparisons([0.3, 7.5], " EUR")
        | one("quantity", comparisons([1, 2, 3]))
        | one("amount", comparisons([0.3, 0.8]))
    )
    times, where, total = one("times", counts), one("where", attributes()), one("sum", totals)
    both = st.builds(lambda first, second: {**first, **second}, times | total, where)
    rest = st.one_of(st.just({}), times, where, total, both)
    kind = st.sampled_from(["purchase", "purchase", "purchase", "view", "never_seen"])
    head = kind.map(lambda name: {"did": name}) | kind.map(lambda name: {"did_not": name})
    return st.builds(lambda *parts: {key: said for part in parts for key, said in part.items()}, head, rest, spans())


def others() -> Any:
    fields = st.sampled_from(["recency_days", "frequency", "monetary"])
    profile = st.builds(lambda name, said: {"profile": name, **said}, fields, numbers([0.1, 1, 7]))
    asked = st.fixed_dictionaries(
        {}, optional={"score": comparisons([0.0, 0.6]), "label": st.sampled_from(["hot", "warm"])}
    )
    segment = st.builds(lambda name, said: {"segment": name, **said}, st.sampled_from(["churn_risk", "nobody"]), asked)
    mailing = st.fixed_dictionaries(
        {"was": st.sampled_from(["received", "opened", "clicked"])},
        optional={"campaign": st.sampled_from(["winback", "other"])},
    )
    lately = st.fixed_dictionaries({}, optional={"in_the_last": st.sampled_from(SPANS)})
    message = st.builds(lambda said, when: {"message": said, **when}, mailing, lately)
    return st.one_of(profile, segment, message)


def conditions(depth: int = 3) -> Any:
    if depth == 0:
        return LEAF
    inner = conditions(depth - 1)
    groups = st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    )
    return groups if depth == 3 else LEAF | groups


LEAF = st.one_of(traits(), behaviours(), behaviours(), behaviours(), others())


@pytest.fixture(scope="module")
def connection() -> Iterator[Backend]:
    made = ibis.duckdb.connect(threads=1)
    yield made
    made.disconnect()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shop=shops(), written=st.lists(LEAF, min_size=3, max_size=5), nested=conditions())
def test_the_compiled_audience_is_the_oracles(connection: Backend, shop: Shop, written: list[Any], nested: Any) -> None:
    written = [*written, nested]
    registry = core_registry()
    read_conditions = [read(one_condition, registry) for one_condition in written]

    rows = connection.to_polars(evaluate(read_conditions, snapshot_of(shop), registry))

    assert sorted(rows["customer_id"]) == sorted(customer["customer_id"] for customer in shop.customers)
    for n, one_condition in enumerate(written):
        assert set(rows.filter(rows[f"holds_{n}"])["customer_id"]) == members(one_condition, shop), one_condition
