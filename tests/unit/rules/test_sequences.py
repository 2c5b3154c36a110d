"""What follows what, and since when it can be told, at the very edge; the oracle must agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from unit.rules.test_boundaries import MICROSECOND, NOON, customer, event, matched, shop_of

DAY = timedelta(days=1)


def test_what_follows_is_strictly_later_and_no_later_than_within() -> None:
    start, names = (
        NOON - 9 * DAY,
        {"same": 0 * DAY, "next": MICROSECOND, "edge": 2 * DAY, "late": 2 * DAY + MICROSECOND},
    )
    views = [event(name, start, type="view") for name in names]
    shop = shop_of(*views, *(event(name, start + gap) for name, gap in names.items()))

    assert matched({"did": "view", "then": {"did": "purchase", "within": "2d"}}, shop) == {"next", "edge"}
    assert matched({"did": "view", "then": {"did": "purchase"}}, shop) == {"next", "edge", "late"}
    assert matched({"did": "view", "then_not": {"did": "purchase", "within": "2d"}}, shop) == {"same", "late"}


def test_what_has_not_followed_until_now() -> None:
    """Viewed and not bought since; with `product: same`, only a purchase of that product counts."""
    shop = shop_of(
        event("none", NOON - 5 * DAY, type="view", product_id="p1"),
        event("earlier", NOON - 5 * DAY, type="view", product_id="p1"),
        event("earlier", NOON - 6 * DAY),
        event("same instant", NOON - 5 * DAY, type="view", product_id="p1"),
        event("same instant", NOON - 5 * DAY),
        event("later", NOON - 5 * DAY, type="view", product_id="p1"),
        event("later", NOON - 5 * DAY + MICROSECOND, product_id="p2"),
        event("again", NOON - 5 * DAY, type="view", product_id="p1"),
        event("again", NOON - 4 * DAY),
        event("again", NOON - 3 * DAY, type="view", product_id="p1"),
    )

    never = {"none", "earlier", "same instant", "again"}
    assert matched({"did": "view", "then_not": {"did": "purchase"}}, shop) == never
    same = {"did": "view", "then_not": {"did": "purchase", "product": "same"}}
    assert matched(same, shop) == {*never, "later"}


def test_between_20_and_40_days_ago() -> None:
    """In the last 40 days and not in the last 20: the edge belongs to one span each."""
    ages = {"19": 19, "20": 20, "21": 21, "40": 40, "41": 41}
    shop = shop_of(
        *(event(name, NOON - days * DAY) for name, days in ages.items()),
        event("just over 20", NOON - 20 * DAY - MICROSECOND),
        event("just over 40", NOON - 40 * DAY - MICROSECOND),
    )

    assert matched({"did": "purchase", "between": ["20d", "40d"]}, shop) == {"21", "40", "just over 20"}
    others = {"19", "20", "41", "just over 40", "none"}
    assert matched({"did_not": "purchase", "between": ["20d", "40d"]}, shop) == others
    last = {"did": "purchase", "last": {"between": ["20d", "40d"]}}
    assert matched(last, shop) == {"21", "40", "just over 20"}


def test_nothing_followed_only_once_the_time_has_passed() -> None:
    shop = shop_of(
        event("open", NOON - 2 * DAY, type="view"),
        event("over", NOON - 2 * DAY - MICROSECOND, type="view"),
    )

    assert matched({"did": "view", "then_not": {"did": "purchase", "within": "2d"}}, shop) == {"over"}


def test_the_hour_that_a_clock_repeats_is_that_hour_twice() -> None:
    """On 25 October 2026 Berlin has 02:00 to 03:00 twice: from 0:00 to 2:00 UTC."""
    first = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    at: dict[str, Any] = {
        "before": first - MICROSECOND,
        "first": first,
        "second": first + timedelta(hours=2) - MICROSECOND,
        "after": first + timedelta(hours=2),
    }
    people = [customer(name, timezone="Europe/Berlin") for name in at]
    shop = shop_of(*(event(name, when) for name, when in at.items()), as_of=first + DAY, customers=people)

    assert matched({"did": "purchase", "time_of_day": "02:00-03:00"}, shop) == {"first", "second"}
