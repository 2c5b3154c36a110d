"""Instants, days and sums at the very edge, worked out by hand; the oracle must agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis
import pytest
from unit.rules.oracle import Shop, members
from unit.rules.written import core_registry, read, snapshot_of

from automation.rules.compiler import evaluate

NOON = datetime(2026, 7, 15, 12, 0, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def customer(name: str, **traits: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("country", "timezone", "points", "vip", "birthday", "created_at"))
    return {"customer_id": name, **nothing, **traits}


def event(who: str, at: datetime, **attributes: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("product_id", "order_id", "quantity", "amount", "currency", "campaign"))
    return {"event_id": f"{who}{at}{attributes}", "customer_id": who, "type": "purchase", "occurred_at": at} | {
        **nothing,
        **attributes,
    }


def matched(written: Mapping[str, Any], shop: Shop) -> set[str]:
    """Who the compiled rule holds for, once the oracle says the same."""
    registry = core_registry()
    rows = ibis.duckdb.connect(threads=1).to_polars(evaluate([read(written, registry)], snapshot_of(shop), registry))
    found = set(rows.filter(rows["holds_0"])["customer_id"])
    assert found == members(written, shop)
    return found


def shop_of(*events: Mapping[str, Any], as_of: datetime = NOON, timezone: str = "UTC", **tables: Any) -> Shop:
    customers = [customer(name) for name in sorted({row["customer_id"] for row in events} | {"none"})]
    return Shop(as_of, timezone, **{"customers": customers, "events": events, **tables})


def test_in_the_last_begins_exactly_that_long_ago() -> None:
    edge = NOON - timedelta(days=90)
    shop = shop_of(event("on", edge), event("before", edge - MICROSECOND), event("after", edge + MICROSECOND))

    assert matched({"did": "purchase", "in_the_last": "90d"}, shop) == {"on", "after"}
    assert matched({"did_not": "purchase", "in_the_last": "90d"}, shop) == {"before", "none"}


def test_a_day_of_between_is_the_shops_own_even_when_it_has_23_hours() -> None:
    midnight, next_midnight = datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)
    shop = shop_of(
        event("early", midnight - MICROSECOND),
        event("first", midnight),
        event("last", next_midnight - MICROSECOND),
        event("late", next_midnight),
        timezone="Europe/Berlin",
    )

    assert matched({"did": "purchase", "between": ["2026-03-29", "2026-03-29"]}, shop) == {"first", "last"}


@pytest.mark.parametrize(
    ("as_of", "found"),
    [
        (datetime(2026, 6, 30, 22, 0, tzinfo=UTC) - MICROSECOND, set()),
        (datetime(2026, 6, 30, 22, 0, tzinfo=UTC), {"none"}),
    ],
)
def test_an_absence_is_told_only_when_the_span_is_over(as_of: datetime, found: set[str]) -> None:
    shop = shop_of(event("bought", datetime(2026, 6, 10, tzinfo=UTC)), as_of=as_of, timezone="Europe/Berlin")

    assert matched({"did_not": "purchase", "between": ["2026-06-01", "2026-06-30"]}, shop) == found


def test_an_orders_lines_are_one_occasion() -> None:
    shop = shop_of(
        event("lines", NOON - timedelta(days=1), order_id="o1", product_id="p1"),
        event("lines", NOON - timedelta(days=1), order_id="o1", product_id="p2"),
        event("orders", NOON - timedelta(days=2), order_id="o2"),
        event("orders", NOON - timedelta(days=1), order_id="o3"),
        event("mixed", NOON - timedelta(days=2), order_id="o4"),
        event("mixed", NOON - timedelta(days=1)),
        event("plain", NOON - timedelta(days=2)),
        event("plain", NOON - timedelta(days=1)),
    )

    assert matched({"did": "purchase", "times": "at least 2"}, shop) == {"orders", "mixed", "plain"}
    assert matched({"did": "purchase", "times": 1}, shop) == {"lines"}
    assert matched({"did_not": "purchase", "times": "at least 2"}, shop) == {"lines", "none"}


def test_a_sum_is_exact_to_the_cent() -> None:
    """0.7 + 0.1 is 0.7999999999999999 in binary."""
    shop = shop_of(
        event("exact", NOON - timedelta(days=2), amount=0.7),
        event("exact", NOON - timedelta(days=1), amount=0.1),
        event("less", NOON - timedelta(days=1), amount=0.79),
        event("unknown", NOON - timedelta(days=1)),
    )

    assert matched({"did": "purchase", "sum": "at least 0.8"}, shop) == {"exact"}
    assert matched({"did": "purchase", "sum": "at most 0.8"}, shop) == {"exact", "less"}


def test_a_sum_in_a_currency_leaves_other_currencies_out() -> None:
    shop = shop_of(
        event("euro", NOON - timedelta(days=1), amount=100.0, currency="EUR"),
        event("dollar", NOON - timedelta(days=1), amount=100.0, currency="USD"),
        event("unmarked", NOON - timedelta(days=1), amount=100.0),
    )

    assert matched({"did": "purchase", "sum": "at least 100 EUR"}, shop) == {"euro", "unmarked"}
    assert matched({"did": "purchase", "sum": {"amount": "at least 100"}}, shop) == {"euro", "dollar", "unmarked"}


def test_a_missing_value_is_in_no_comparison_but_in_every_negation() -> None:
    customers = [customer("none"), customer("de", country="DE", points=3.0), customer("at", country="AT", points=-1.0)]
    shop = shop_of(customers=customers)

    assert matched({"trait": "points", "at_least": 0}, shop) == {"de"}
    assert matched({"not": {"trait": "points", "at_least": 0}}, shop) == {"none", "at"}
    assert matched({"trait": "country", "is_not": "DE"}, shop) == {"none", "at"}
    assert matched({"trait": "country", "not_in": ["DE", "AT"]}, shop) == {"none"}
    assert matched({"trait": "country", "exists": False}, shop) == {"none"}


def test_product_attributes_of_an_unknown_product_are_missing() -> None:
    products = [{"product_id": "p1", "category": "hats", "price": 9.0, "stock": None}]
    shop = shop_of(
        event("hat", NOON - timedelta(days=1), product_id="p1"),
        event("unknown", NOON - timedelta(days=1), product_id="p9"),
        event("nothing", NOON - timedelta(days=1)),
        products=products,
    )

    assert matched({"did": "purchase", "where": {"category": "hats"}}, shop) == {"hat"}
    assert matched({"did": "purchase", "where": {"category": {"is_not": "hats"}}}, shop) == {"unknown", "nothing"}
    assert matched({"did": "purchase", "where": {"stock": {"exists": False}}}, shop) == {"hat", "unknown", "nothing"}


@pytest.mark.parametrize(
    ("as_of", "today", "within_2_days"),
    [
        (datetime(2027, 2, 28, 12, tzinfo=UTC), {"leap", "28th"}, {"leap", "28th", "1st"}),  # a common year
        (datetime(2028, 2, 28, 12, tzinfo=UTC), {"28th"}, {"leap", "28th"}),
        (datetime(2028, 2, 29, 12, tzinfo=UTC), {"leap"}, {"leap", "1st"}),
    ],
)
def test_29_february_is_celebrated_on_the_28th_of_common_years(
    as_of: datetime, today: set[str], within_2_days: set[str]
) -> None:
    born = {"leap": date(1992, 2, 29), "28th": date(1990, 2, 28), "1st": date(1985, 3, 1), "none": None}
    shop = shop_of(as_of=as_of, customers=[customer(name, birthday=day) for name, day in born.items()])

    assert matched({"trait": "birthday", "anniversary": "today"}, shop) == today
    assert matched({"trait": "birthday", "anniversary": {"in_the_next": "2d"}}, shop) == within_2_days


def test_an_anniversary_is_seen_from_the_customers_own_day() -> None:
    """At 10:30 UTC it is 31 December, 23:30 on 30 December in Pago Pago, and 00:30 on 1 January in Kiritimati."""
    as_of = datetime(2026, 12, 31, 10, 30, tzinfo=UTC)
    zones = {"here": None, "odd": "Mars/Olympus", "west": "Pacific/Pago_Pago", "east": "Pacific/Kiritimati"}
    born = {"30": date(1990, 12, 30), "31": date(1990, 12, 31), "01": date(1990, 1, 1)}
    customers = [
        customer(f"{name}{day}", timezone=zone, birthday=birthday)
        for name, zone in zones.items()
        for day, birthday in born.items()
    ]
    rule = {"trait": "birthday", "anniversary": "today"}

    assert matched(rule, shop_of(as_of=as_of, customers=customers)) == {"here31", "odd31", "west30", "east01"}
    home = shop_of(as_of=as_of, customers=customers, timezone="Pacific/Pago_Pago")
    assert matched(rule, home) == {"here30", "odd30", "west30", "east01"}


def test_a_run_on_everyones_own_clock_has_one_day_for_all() -> None:
    """Frozen when it is 30 December in most places, for 9 in the morning of 31 December everywhere."""
    as_of = datetime(2026, 12, 30, 19, 0, tzinfo=UTC)
    born = {"30": date(1990, 12, 30), "31": date(1990, 12, 31)}
    zones = {"here": None, "west": "Pacific/Pago_Pago", "east": "Pacific/Kiritimati"}
    people = [customer(f"{n}{d}", timezone=z, birthday=b) for n, z in zones.items() for d, b in born.items()]
    registry = core_registry()
    data = replace(snapshot_of(shop_of(as_of=as_of, customers=people)), today=date(2026, 12, 31))
    wanted = evaluate([read({"trait": "birthday", "anniversary": "today"}, registry)], data, registry)
    rows = ibis.duckdb.connect(threads=1).to_polars(wanted)
    assert set(rows.filter(rows["holds_0"])["customer_id"]) == {"here31", "west31", "east31"}


def test_a_date_compared_with_an_instant_is_that_whole_day_in_the_shop() -> None:
    midnight = datetime(2026, 5, 31, 22, tzinfo=UTC)  # 1 June, 00:00 in Berlin
    made = {
        "before": midnight - MICROSECOND,
        "first": midnight,
        "last": midnight + timedelta(days=1) - MICROSECOND,
        "after": midnight + timedelta(days=1),
        "none": None,
    }
    customers = [customer(name, created_at=at) for name, at in made.items()]
    shop = shop_of(customers=customers, timezone="Europe/Berlin")

    assert matched({"trait": "created_at", "before": "2026-06-01"}, shop) == {"before"}
    assert matched({"trait": "created_at", "after": "2026-06-01"}, shop) == {"after"}
    assert matched({"trait": "created_at", "between": ["2026-06-01", "2026-06-01"]}, shop) == {"first", "last"}
