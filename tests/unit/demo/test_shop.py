"""The demo shop is repeatable, fits the warehouse's tables, and holds what the models are shown to find."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from automation.demo.shop import Shop, generate, write
from automation.types.schema import TABLES

UNTIL = datetime(2026, 9, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return generate(7, until=UNTIL)


def _purchases(shop: Shop) -> pl.DataFrame:
    return shop.events.filter(pl.col("type") == "purchase")


@pytest.mark.parametrize("table", ["customers", "products", "events"])
def test_the_frames_have_every_declared_column_and_a_unique_key(shop: Shop, table: str) -> None:
    schema = TABLES[table]  # type: ignore[index]
    frame: pl.DataFrame = getattr(shop, table)
    assert set(schema.columns) <= set(frame.columns)
    assert frame[schema.key].n_unique() == len(frame)
    assert frame.select(schema.required).null_count().sum_horizontal().item() == 0


def test_the_same_seed_gives_the_same_shop_and_another_seed_another(shop: Shop) -> None:
    again, other = generate(7, until=UNTIL), generate(8, until=UNTIL)
    assert_frame_equal(shop.events, again.events)
    assert_frame_equal(shop.customers, again.customers)
    assert_frame_equal(shop.products, again.products)
    assert not shop.events.head(1000).equals(other.events.head(1000))


def test_three_thousand_customers_leave_two_years_of_events(shop: Shop) -> None:
    at = shop.events["occurred_at"]
    assert 100_000 < len(at) < 200_000
    assert at.is_sorted()
    assert UNTIL - timedelta(days=730) <= at[0] < at[-1] < UNTIL


def test_events_point_at_customers_and_products_of_the_shop(shop: Shop) -> None:
    assert shop.events["customer_id"].is_in(shop.customers["customer_id"].implode()).all()
    assert shop.events["product_id"].drop_nulls().is_in(shop.products["product_id"].implode()).all()
    mail = shop.events.filter(pl.col("type").str.starts_with("email"))
    assert mail["product_id"].null_count() == len(mail)


def test_a_purchase_costs_what_the_product_does_less_the_discount(shop: Shop) -> None:
    lines = _purchases(shop).join(shop.products.select("product_id", "price"), on="product_id")
    paid = lines["price"] * lines["quantity"] * (1 - lines["discount"])
    assert np.abs((lines["amount"] - paid).to_numpy()).max() <= 0.005 + 1e-9


def test_nothing_that_lasts_is_bought_twice_by_one_customer(shop: Shop) -> None:
    lines = _purchases(shop).join(shop.products.select("product_id", "category"), on="product_id")
    lasting = lines.filter(~pl.col("category").is_in(["tea", "candles"]))
    assert lasting.select("customer_id", "product_id").is_duplicated().sum() == 0
    assert lines.select("customer_id", "product_id").is_duplicated().sum() > 100


def test_most_bought_products_were_looked_at_before(shop: Shop) -> None:
    views = shop.events.filter(pl.col("type") == "view").group_by("customer_id", "product_id")
    first = views.agg(seen=pl.col("occurred_at").min())
    bought = _purchases(shop).join(first, on=["customer_id", "product_id"], how="left")
    assert bought.select((pl.col("seen") < pl.col("occurred_at")).fill_null(False).mean()).item() > 0.7


def test_the_garden_is_bought_in_spring_and_december_beats_october(shop: Shop) -> None:
    lines = _purchases(shop).join(shop.products.select("product_id", "category"), on="product_id")
    month = lines.with_columns(month=pl.col("occurred_at").dt.month())
    garden = month.filter(pl.col("category") == "garden")["month"]
    assert garden.is_in([3, 4, 5, 6]).to_numpy().mean() > 0.5
    per_month = np.bincount(month["month"].to_numpy(), minlength=13)
    assert per_month[12] > 1.3 * per_month[10]


def test_price_sensitive_customers_buy_most_of_their_things_reduced(shop: Shop) -> None:
    thrift = pl.DataFrame({"customer_id": shop.customers["customer_id"], "thrift": shop.tastes.thrift})
    reduced = _purchases(shop).join(thrift, on="customer_id").with_columns(cheap=pl.col("discount") > 0)
    share = {
        sensitive: part["cheap"].to_numpy().mean()
        for (sensitive,), part in reduced.group_by((pl.col("thrift") > 0.7).alias("sensitive"))
    }
    assert share[True] > 0.5
    assert share[False] < 0.3


def test_customers_live_in_several_zones_and_a_few_never_said_where(shop: Shop) -> None:
    zones = shop.customers["timezone"].value_counts().rows()
    assert {zone for zone, _ in zones} == {
        "Europe/Berlin", "Europe/Lisbon", "Europe/Helsinki", "America/New_York", None,
    }  # fmt: skip
    assert all(count > 50 for _, count in zones)
    assert set(shop.customers["language"].drop_nulls()) == {"en", "de", "fr", "es"}


def test_addresses_are_plain_and_unique_where_there_are_any(shop: Shop) -> None:
    email = shop.customers["email"].drop_nulls()
    assert email.n_unique() == len(email) < len(shop.customers)
    assert email.str.contains(r"^[a-z]+\.[a-z]+\.\d+@example\.(com|net|org)$").all()


def test_many_customers_are_gone_for_good_and_buy_nothing_afterwards(shop: Shop) -> None:
    gone = pl.DataFrame({"customer_id": shop.customers["customer_id"], "gone": shop.gone})
    last = _purchases(shop).group_by("customer_id").agg(last=pl.col("occurred_at").max()).join(gone, on="customer_id")
    left = last.filter(pl.col("gone") < 730)
    day = (left["last"] - (UNTIL - timedelta(days=730))).dt.total_seconds() / 86_400
    assert 0.2 < np.isfinite(shop.gone).mean() < 0.6
    assert (day - left["gone"]).to_numpy().max() < 1.3  # the order's time of day


def test_a_shop_of_many_customers_keeps_their_history_short() -> None:
    shop = generate(1, 25_000, until=UNTIL, activity=0.1)
    assert 5 < len(shop.events) / 25_000 < 14
    assert shop.events["event_id"].n_unique() == len(shop.events)
    orders = shop.events.filter(pl.col("order_id").is_not_null())
    assert orders.group_by("order_id").agg(pl.col("customer_id").n_unique())["customer_id"].max() == 1


def test_a_shop_needs_a_product_in_every_category() -> None:
    with pytest.raises(ValueError, match="at least 12 products"):
        generate(1, 10, 5, until=UNTIL)


def test_the_written_files_read_back(tmp_path: Path) -> None:
    shop = generate(3, 50, 30, until=UNTIL)
    customers, products, events = write(shop, tmp_path / "files")
    assert [path.name for path in (customers, products, events)] == ["customers.csv", "products.csv", "events.csv"]
    back = pl.read_csv(events, try_parse_dates=True, schema_overrides={"event_id": pl.String})
    assert back["event_id"].to_list() == shop.events["event_id"].to_list()
    assert back["amount"].to_list() == shop.events["amount"].to_list()
    assert (back["occurred_at"].dt.replace_time_zone("UTC") == shop.events["occurred_at"]).all()
    assert pl.read_csv(customers, infer_schema=False)["postcode"].to_list() == shop.customers["postcode"].to_list()
