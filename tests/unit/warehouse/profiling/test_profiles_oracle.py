"""Profiles beside plain Python, and the kept ones beside rebuilt ones: generated shops, late and repeated events."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from support.profile_oracle import Shop, profiles

from automation.contracts.columns import POLARS_TYPES
from automation.types.profile import PROFILE_COLUMNS, Lifecycle
from automation.warehouse.embedded import Warehouse, open_warehouse

AS_OF = datetime(2026, 4, 2, tzinfo=UTC)
LATER = AS_OF + timedelta(days=100)  # after every event, so that the kept table may be read
LONG_AGO = datetime(1999, 12, 31, 23, tzinfo=UTC)  # before the table of offsets begins
TYPES = ("purchase", "purchase", "purchase", "email_open", "email_click", "click", "email_sent", "view")
ZONES = (None, "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Africa/Casablanca")
PRODUCTS = {f"p{n}": (("a", "b", None)[n % 3], ("x", None, "y", "z")[n % 4]) for n in range(5)}
DISCOUNTS = (None, 0.0, 0.1, 0.25)

instants = st.one_of(
    st.integers(0, 60 * 24 * 3_600).map(lambda s: AS_OF - timedelta(days=20) + timedelta(seconds=s)),  # clocks change
    st.integers(0, 900).map(lambda d: AS_OF - timedelta(days=d)),
    st.sampled_from([LONG_AGO, AS_OF, AS_OF - timedelta(microseconds=1), datetime(2026, 3, 29, 1, tzinfo=UTC)]),
)
events = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from("abcdefg"),
        "type": st.sampled_from(TYPES),
        "occurred_at": instants,
        "product_id": st.sampled_from([None, "p9", *PRODUCTS]),
        "order_id": st.sampled_from([None, "o1", "o2", "o3"]),
        "amount": st.one_of(st.none(), st.sampled_from([0.0, -5.0]), st.integers(1, 99_999).map(lambda n: n / 100)),
        "discount": st.sampled_from(DISCOUNTS),
        "message_id": st.sampled_from([None, "m1", "m2", "m3"]),
    }
)
histories = st.lists(events, max_size=60).map(lambda found: [{"event_id": f"e{n}", **e} for n, e in enumerate(found)])
zones = st.fixed_dictionaries({who: st.sampled_from(ZONES) for who in "abcde"})
terms = st.fixed_dictionaries(
    {},
    optional={
        "new_for": st.sampled_from([timedelta(days=5), timedelta(days=300)]),
        "at_risk_after": st.just(timedelta(days=10)),
        "lapsed_after": st.just(timedelta(hours=500)),
        "lost_after": st.just(timedelta(days=60)),
    },
)
HURRIED: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
EVENTS = pl.Schema(
    {
        **dict.fromkeys(("event_id", "customer_id", "type"), pl.String()),
        "occurred_at": pl.Datetime("us", "UTC"),
        **dict.fromkeys(("product_id", "order_id"), pl.String()),
        **dict.fromkeys(("amount", "discount"), pl.Float64()),
        "message_id": pl.String(),
    }
)


def fill(warehouse: Warehouse, history: Sequence[Mapping[str, Any]]) -> None:
    warehouse.append_events(pl.DataFrame(history, schema=EVENTS, orient="row"))


def describe(warehouse: Warehouse, zones: Mapping[str, str | None], products: Mapping[str, Any]) -> None:
    people = {"customer_id": list(zones), "timezone": list(zones.values())}
    warehouse.upsert("customers", pl.DataFrame(people, schema=dict.fromkeys(people, pl.String())))
    rows = [(product, *sorted_under) for product, sorted_under in products.items()]
    columns = dict.fromkeys(("product_id", "category", "brand"), pl.String())
    warehouse.upsert("products", pl.DataFrame(rows, schema=columns, orient="row"))


def read(warehouse: Warehouse, as_of: datetime = AS_OF, lifecycle: Lifecycle | None = None) -> pl.DataFrame:
    made = warehouse.snapshot(as_of, timezone="Europe/London", lifecycle=lifecycle).profiles
    frame: pl.DataFrame = made.to_polars().sort("customer_id")
    return frame


def expected(shop: Shop, as_of: datetime = AS_OF) -> pl.DataFrame:
    rows = list(profiles(shop, as_of).values())
    kinds = {name: POLARS_TYPES[kind] for name, kind in PROFILE_COLUMNS.items()}
    return pl.DataFrame([{name: row[name] for name in kinds} for row in rows], schema=kinds)


@pytest.mark.slow
@settings(max_examples=20, **HURRIED)
@given(history=histories, zones=zones, written=terms)
def test_computed_as_the_definitions_read(
    history: list[dict[str, Any]], zones: dict[str, str | None], written: dict[str, timedelta]
) -> None:
    shop = Shop(zones, PRODUCTS, history, "Europe/London", written)
    with tempfile.TemporaryDirectory() as folder:
        warehouse = open_warehouse(Path(folder), threads=1)
        describe(warehouse, zones, PRODUCTS)
        fill(warehouse, history)
        found = read(warehouse, lifecycle=Lifecycle(**written))
        warehouse.close()
    assert_frame_equal(found, expected(shop), rel_tol=1e-12, abs_tol=0)


@st.composite
def days(draw: st.DrawFn) -> list[tuple[list[dict[str, Any]], dict[str, str | None], dict[str, Any]]]:
    """What each day brings: some events in any order, early ones again, and customers and products as they are then."""
    history = draw(histories)
    cuts = sorted(draw(st.lists(st.integers(0, len(history)), min_size=2, max_size=3)))
    shuffled = draw(st.permutations(history))
    found = []
    for begin, end in zip([0, *cuts], [*cuts, len(history)], strict=True):
        again = draw(st.lists(st.sampled_from(history), max_size=3)) if history else []
        moved = draw(zones) if draw(st.booleans()) else dict.fromkeys("abcd")
        sorted_under = {**PRODUCTS, "p0": draw(st.sampled_from([("a", "x"), ("c", "x"), (None, None)]))}
        found.append(([*shuffled[begin:end], *again], moved, sorted_under))
    return found


@pytest.mark.slow
@settings(max_examples=6, phases=[Phase.explicit, Phase.generate], **HURRIED)
@given(brought=days(), few=st.sampled_from([0, 2, 8]))
def test_kept_up_day_by_day_they_are_what_they_would_be_made_anew(brought: list[Any], few: int) -> None:
    """Whether recent profiles stay in their own table: always, while they are half of all, or never."""
    known: dict[str, dict[str, Any]] = {}
    people: dict[str, str | None] = {}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("automation.warehouse.profiling.refreshing._MERGE_RATIO", few)
        warehouse = open_warehouse(Path(folder), threads=1)
        for history, moved, products in brought:
            describe(warehouse, moved, products)
            fill(warehouse, history)
            known = {**{e["event_id"]: e for e in history}, **known}
            people |= moved
            computed = read(warehouse, LATER)
            warehouse.refresh_profiles(timezone="Europe/London")
            kept = read(warehouse, LATER)
            assert_frame_equal(kept, computed, check_exact=True)
        shop = Shop(people, products, list(known.values()), "Europe/London")
        assert_frame_equal(kept, expected(shop, LATER), rel_tol=1e-12, abs_tol=0)
        warehouse.refresh_profiles(timezone="Europe/London", everybody=True)
        assert_frame_equal(kept, read(warehouse, LATER), check_exact=True)
        warehouse.close()
