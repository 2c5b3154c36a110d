"""Keeps with each message what its texts show of the customer's profile and last order, as it was decided."""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl

from automation.types.shown_values import LAST_ORDER, LINES, PROFILE, ShownValues
from automation.warehouse.shown_values import LINE, PRODUCT_FIELDS

_KEPT = "kept_values"
_DAYS = ("recency_days", "lifetime_days")
_LINE_FIELDS = ("product_id", "quantity", "amount")


def with_shown_values(
    rows: pl.DataFrame, content: str, shown: ShownValues, values: pl.DataFrame | None, zone: str
) -> tuple[pl.DataFrame, str]:
    """The ledger's rows with the values in their `context`, and the content with the products of the last orders.

    values: of the batch, as `warehouse.shown_values` has them; None where texts show none. zone: the shop's, in which a
    time is shown as a day.
    """
    assert (values is not None) is bool(shown)
    if values is None:
        return rows, content
    known = _encoded(values, shown, zone)
    joined = rows.join(known, on="customer_id", how="left", maintain_order="left")
    whole = pl.concat_str(pl.col("context").str.strip_suffix("}"), pl.lit(","), pl.col(_KEPT).str.strip_prefix("{"))
    return joined.with_columns(whole.alias("context")).drop(_KEPT), _with_line_products(content, values)


def as_unknown(values: pl.DataFrame, objectors: Sequence[str]) -> pl.DataFrame:
    """The values with those who object to profiling as if they had never bought."""
    if not objectors:
        return values
    objects = pl.col("customer_id").is_in(list(objectors))
    others = values.select("customer_id", *(pl.when(~objects).then(name).alias(name) for name in values.columns[1:]))
    never = {f"{PROFILE}.lifecycle": "never_bought", f"{PROFILE}.outlier": False}
    return others.with_columns(
        pl.when(objects).then(pl.lit(value)).otherwise(name).alias(name)
        for name, value in never.items()
        if name in values.columns
    )


def _with_line_products(content: str, values: pl.DataFrame) -> str:
    """What the batch's messages show (JSON), with the products of the last orders; a recommended one stays as it is."""
    if f"{LINE}.product_id" not in values.columns:
        return content
    fields = {name: pl.col(f"{LINE}.{name}") for name in ("product_id", *PRODUCT_FIELDS)}
    lines = values.select(**fields).drop_nulls("product_id").unique("product_id").sort("product_id")
    found = json.loads(content)
    products = {row.pop("product_id"): row for row in lines.iter_rows(named=True)}
    kept = found.get("products", {})
    found["products"] = {**kept, **{name: {**row, **kept.get(name, {})} for name, row in products.items()}}
    return json.dumps(found)


def _encoded(values: pl.DataFrame, shown: ShownValues, zone: str) -> pl.DataFrame:
    """customer_id, and the values as one JSON object."""
    people = values.unique("customer_id", keep="first", maintain_order=True)
    parts = []
    if shown.profile:
        fields = [_plain(values, f"{PROFILE}.{name}", zone).alias(name) for name in shown.profile]
        parts.append(pl.struct(fields).alias(PROFILE))
    if shown.last_order:
        fields = [
            _plain(values, f"{LAST_ORDER}.{name}", zone).alias(name) for name in shown.last_order if name != LINES
        ]
        if LINES in shown.last_order:
            people = people.join(_lines(values), on="customer_id", how="left", maintain_order="left")
            fields.append(pl.col(LINES).fill_null([]))
        bought = pl.col(f"{LAST_ORDER}.day").is_not_null()
        parts.append(pl.when(bought).then(pl.struct(fields)).alias(LAST_ORDER))
    return people.select("customer_id", pl.struct(parts).struct.json_encode().alias(_KEPT))


def _plain(values: pl.DataFrame, name: str, zone: str) -> pl.Expr:
    """A field as texts get it: a time as a day, whole days."""
    column = pl.col(name)
    if values.schema[name].is_temporal():
        return column.dt.convert_time_zone(zone).dt.date().cast(pl.String)
    return column.floor().cast(pl.Int64) if name.endswith(_DAYS) else column


def _lines(values: pl.DataFrame) -> pl.DataFrame:
    fields = [pl.col(f"{LINE}.{name}").alias(name) for name in _LINE_FIELDS]
    bought = values.filter(pl.col(f"{LINE}.product_id").is_not_null())
    return bought.group_by("customer_id", maintain_order=True).agg(pl.struct(fields).alias(LINES))
