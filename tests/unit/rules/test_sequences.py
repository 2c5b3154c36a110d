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
