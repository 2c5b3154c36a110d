"""Discounts from a shop's export and from its webhooks reach the segment `bargain_hunters` as config.yaml ships it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.pages import ROOT
from support.web import Shop
from support.webhooks import shopify, woocommerce

from automation.config.project import load_project
from automation.inbound.shop_import import import_data
from automation.inbound.shop_reports import import_shop_reports
from automation.rules.segments import with_segments
from automation.types.condition import Condition
from automation.warehouse.importing.mapping import MappingFile, load_mapping
from automation.warehouse.importing.mapping_grammar import ColumnValue
from automation.warehouse.importing.table_mapping import TableMapping
from automation.workspace.plugins import registry_of

ADA, BEN, CID, DIE = (f"{name}@discounts.example" for name in ("ada", "ben", "cid", "die"))
# Whose order, day of February 2026, lines (SKU, pieces, full price), off the first line, off the order, off shipping.
ORDERS: Sequence[tuple[str, int, Sequence[tuple[str, int, float]], float, float, float]] = (
    (ADA, 3, [("tea", 2, 10.0), ("pot", 1, 20.0)], 0.0, 4.0, 0.0),  # 10 % off the order, twice
    (ADA, 9, [("tea", 1, 7.95)], 0.0, 0.79, 0.0),
    (BEN, 3, [("tea", 1, 10.0)], 3.0, 0.0, 0.0),  # 30 % off a line, then nothing
    (BEN, 9, [("tea", 1, 10.0)], 0.0, 0.0, 0.0),
    (CID, 3, [("tea", 1, 10.0)], 0.0, 0.0, 4.9),  # only ever free shipping
    (CID, 9, [("pot", 1, 20.0)], 0.0, 0.0, 4.9),
    (DIE, 3, [("tea", 1, 10.0), ("pot", 1, 20.0)], 2.0, 2.8, 0.0),  # 20 % off a line, and a tenth of what is left
    (DIE, 9, [("tea", 1, 10.0)], 1.0, 0.0, 0.0),
)
HUNTERS = [ADA, DIE]
SHARES = [
    (ADA, "#1000", "pot", 18.0, 0.1), (ADA, "#1000", "tea", 18.0, 0.1), (ADA, "#1001", "tea", 7.16, 0.1),
    (BEN, "#1002", "tea", 7.0, 0.3), (BEN, "#1003", "tea", 10.0, 0.0),
    (CID, "#1004", "tea", 10.0, 0.0), (CID, "#1005", "pot", 20.0, 0.0),
    (DIE, "#1006", "pot", 18.0, 0.1), (DIE, "#1006", "tea", 7.2, 0.28), (DIE, "#1007", "tea", 9.0, 0.1),
]  # fmt: skip


def parts(lines: Sequence[tuple[str, int, float]], first: float, whole: float) -> list[tuple[float, float]]:
    """Of each line what its own discount is and, in cents, its part of the order's, as a shop divides it."""
    own = [first, *(0.0 for _ in lines[1:])]
    left = [n * price - off for (_, n, price), off in zip(lines, own, strict=True)]
    return [(off, round(whole * one / sum(left), 2)) for off, one in zip(own, left, strict=True)]


def shopify_csv(path: Path) -> None:
    """As Shopify exports them: the order's own values in its first line; the line's discount is its own only."""
    rows: list[dict[str, Any]] = []
    for number, (who, day, lines, first, whole, shipping) in enumerate(ORDERS):
        total = sum(n * price for _, n, price in lines)
        head = {
            "Email": who, "Phone": "", "Financial Status": "paid", "Created at": f"2026-02-{day:02} 10:00:00 +0100",
            "Cancelled at": "", "Currency": "EUR", "Subtotal": f"{total - first - whole:.2f}",
            "Discount Code": "SAVE" if whole or shipping else "", "Discount Amount": f"{whole + shipping:.2f}",
        }  # fmt: skip
        for place, (sku, n, price) in enumerate(lines):
            item = {"Lineitem sku": sku, "Lineitem name": sku, "Lineitem quantity": n, "Lineitem price": price}
            off = {"Lineitem discount": f"{first if place == 0 else 0:.2f}"}
            rows.append({"Name": f"#{1000 + number}", **({} if place else head), **item, **off})
    write(path, rows)


def woocommerce_csv(path: Path) -> None:
    """As Advanced Order Export writes them: item costs are what was paid, the coupon's amount is the order's."""
    rows: list[dict[str, Any]] = []
    for number, (who, day, lines, first, whole, _) in enumerate(ORDERS):
        head = {
            "Order Status": "Completed", "Order Date": f"2026-02-{day:02} 09:00:00", "Email (Billing)": who,
            "Coupon Code": "save" if first or whole else "",
        }  # fmt: skip
        for place, ((sku, n, price), off) in enumerate(zip(lines, parts(lines, first, whole), strict=True)):
            item = {"SKU": sku, "Item Name": sku, "Quantity": n, "Item Cost": (n * price - sum(off)) / n}
            rows.append(
                {
                    "Order Number": f"#{1000 + number}" if not place else "",
                    **({} if place else head),
                    **item,
                    "Item Cost Before Discount": price,
                }
            )
    write(path, rows)


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), restval="")
        writer.writeheader()
        writer.writerows(rows)


def shopify_calls(shop: Shop) -> None:
    for number, (who, day, lines, first, whole, shipping) in enumerate(ORDERS):
        divided = parts(lines, first, whole)
        items = [
            {
                "sku": sku, "name": sku, "quantity": n, "price": f"{price:.2f}", "total_discount": f"{own:.2f}",
                "discount_allocations": [{"amount": f"{off:.2f}"} for off in (own, part) if off],
            }
            for (sku, n, price), (own, part) in zip(lines, divided, strict=True)
        ]  # fmt: skip
        order = {
            "id": number + 1, "name": f"#{1000 + number}", "email": who, "financial_status": "paid", "currency": "EUR",
            "created_at": f"2026-02-{day:02}T10:00:00+01:00", "line_items": items,
            "subtotal_price": f"{sum(n * price for _, n, price in lines) - first - whole:.2f}",
            "total_discounts": f"{first + whole + shipping:.2f}",
            "discount_codes": [{"code": "SAVE", "amount": f"{whole + shipping:.2f}"}] if whole or shipping else [],
        }  # fmt: skip
        assert shopify(shop, "orders/paid", order, key=str(number)).json() == {"stored": len(lines)}
    import_shop_reports(shop.workspace)


def woocommerce_calls(shop: Shop) -> None:
    for number, (who, day, lines, first, whole, _) in enumerate(ORDERS):
        items = [
            {
                "sku": sku, "name": sku, "quantity": n, "price": (n * price - sum(off)) / n,
                "subtotal": f"{n * price:.2f}", "total": f"{n * price - sum(off):.2f}",
            }
            for (sku, n, price), off in zip(lines, parts(lines, first, whole), strict=True)
        ]  # fmt: skip
        order = {
            "id": number + 1, "number": f"#{1000 + number}", "status": "completed", "billing": {"email": who},
            "date_created_gmt": f"2026-02-{day:02}T09:00:00", "line_items": items, "discount_total": f"{first + whole}",
            "coupon_lines": [{"code": "save", "discount": f"{first + whole}"}] if first or whole else [],
        }  # fmt: skip
        assert woocommerce(shop, "order.updated", order, key=str(number)).json() == {"stored": len(lines)}
    import_shop_reports(shop.workspace)


@pytest.fixture(scope="module")
def rule() -> Condition:
    return load_project(ROOT, registry_of(ROOT)).settings.segments["bargain_hunters"]


@pytest.fixture
def people(shop: Shop, tmp_path: Path) -> None:
    """A rule finds imported customers only."""
    pl.DataFrame({"customer_id": [ADA, BEN, CID, DIE]}).write_csv(tmp_path / "people.csv")
    mapping = TableMapping(table="customers", columns={"customer_id": ColumnValue(column="customer_id")})
    import_data(shop.workspace, "customers", [tmp_path / "people.csv"], MappingFile("people", (mapping,)))


def looked_at(shop: Shop, rule: Condition) -> tuple[list[str], pl.DataFrame]:
    """Whom the rule finds, and every purchase of the four."""
    warehouse = shop.workspace.warehouse()
    try:
        data = warehouse.snapshot(shop.workspace.clock.now() + timedelta(days=1))
        registry = shop.workspace.project.registry
        found = with_segments(data, {"bargain_hunters": rule}, {}, registry).segments["bargain_hunters"].to_polars()
        bought = data.events.filter(data.events.customer_id.endswith("@discounts.example")).to_polars()
    finally:
        warehouse.close()
    return sorted(found["customer_id"]), bought.sort("order_id", "product_id")


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("preset", ["shopify", "woocommerce"])
def test_the_export_then_the_webhooks_find_who_bought_reduced_twice(
    shop: Shop, tmp_path: Path, rule: Condition, preset: str
) -> None:
    path = tmp_path / "orders.csv"
    {"shopify": shopify_csv, "woocommerce": woocommerce_csv}[preset](path)
    report = import_data(shop.workspace, "events", [path], load_mapping(preset))
    assert (report.added, report.quarantined) == (10, 0)
    hunters, bought = looked_at(shop, rule)
    assert hunters == HUNTERS
    assert (
        bought.select("customer_id", "order_id", "product_id", pl.col("amount").round(2), "discount").rows() == SHARES
    )
    assert set(bought.filter(pl.col("customer_id") == ADA)["coupon"].str.to_lowercase()) == {"save"}
    {"shopify": shopify_calls, "woocommerce": woocommerce_calls}[preset](shop)
    assert looked_at(shop, rule)[1].height == 10, "the webhooks report the same orders"


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("calls", [shopify_calls, woocommerce_calls])
def test_the_webhooks_alone_find_them_too(shop: Shop, rule: Condition, calls: Any) -> None:
    calls(shop)
    hunters, bought = looked_at(shop, rule)
    assert (
        bought.select("customer_id", "order_id", "product_id", pl.col("amount").round(2), "discount").rows() == SHARES
    )
    assert hunters == HUNTERS
