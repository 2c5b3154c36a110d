"""Reads another tool's export by a mapping: rows for the store, and the rows that can't be used with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from automation.clock import to_millis
from automation.types.address import normalised
from automation.warehouse.importing.cleaning import FAULTS, RECORD, Cleaned
from automation.warehouse.importing.file_reader import FileReader

ROWS = pl.Schema(
    {
        "_row": pl.Int64(),
        "address": pl.String(),  # normalised
        "customer_id": pl.String(),
        "channel": pl.String(),
        "topic": pl.String(),
        "at": pl.Int64(),  # milliseconds
        "reason": pl.String(),
        "granted": pl.Boolean(),
        "source": pl.String(),
        "method": pl.String(),
        "text_version": pl.String(),
        "campaign": pl.String(),
    }
)
_ADDRESS_SHAPE = {
    "email": (r"^[^\s@<>,;]*@[^\s@<>,;]+\.[^\s@<>,;]+$", "is not an e-mail address"),
    "phone": (r"^\+?\d{6,15}$", "is not a phone number"),
}
_DEVICE_TOKEN = r"^\S{20,}$"  # noqa: S105  # a pattern


@dataclass(frozen=True)
class ShopContext:
    """What the rows are checked against: this shop's channels (name → kind of address) and topics, and the time."""

    kinds: Mapping[str, str]
    topics: Sequence[str]
    now: datetime


@dataclass(frozen=True)
class ExportRows:
    """One frame of an export. left_out: rows that no mapping selects."""

    rows: pl.DataFrame
    faults: pl.DataFrame
    left_out: int


def read_rows(frame: pl.DataFrame, readers: Sequence[FileReader], shop: ShopContext) -> ExportRows:
    """Read every row by every mapping (of one table). frame: the file's columns and _row."""
    parts = [_checked(reader.read(frame), reader.mapping.table, shop) for reader in readers]
    rows = pl.concat([rows for rows, _faults in parts])
    faults = pl.concat([faults for _rows, faults in parts])
    selected = pl.concat([rows["_row"], faults["_row"]]).n_unique()
    return ExportRows(rows, faults, frame.height - selected)


def _checked(cleaned: Cleaned, table: str, shop: ShopContext) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The usable rows (`ROWS`) and the faults (`FAULTS`); a row with any fault is refused whole."""
    whole = cleaned.faults.with_columns(pl.lit("row").alias("kind"))
    numbered = cleaned.rows.join(cleaned.raw.select(RECORD, "_row"), on=RECORD, how="left", maintain_order="left")
    rows = _with_all_columns(numbered.join(whole.select("_row").unique(), on="_row", how="anti", maintain_order="left"))
    checked = rows.with_columns(_fault(table, shop).alias("fault"))
    faults = checked.filter(pl.col("fault").is_not_null()).select(
        "_row",
        pl.lit("row").alias("kind"),
        pl.col("fault").list.get(0).alias("column"),
        pl.col("fault").list.get(1).alias("reason"),
        pl.col("fault").list.get(2).alias("value"),
    )
    usable = checked.filter(pl.col("fault").is_null()).select(list(ROWS))
    return usable, pl.concat([whole, faults.cast({name: FAULTS[name] for name in faults.columns})])


def _with_all_columns(rows: pl.DataFrame) -> pl.DataFrame:
    """`ROWS`: addresses normalised, times in milliseconds, null where the mapping has no column."""
    missing = [name for name in ROWS if name not in rows.columns]
    typed = rows.with_columns(
        normalised(rows["address"]) if "address" in rows.columns else pl.lit(None).alias("address"),
        pl.col("at").dt.epoch("ms") if "at" in rows.columns else pl.lit(None).alias("at"),
        *(pl.lit(None).alias(name) for name in missing if name not in ("address", "at")),
    )
    return typed.select(pl.col(name).cast(dtype) for name, dtype in ROWS.items()).with_columns(
        pl.col("channel").fill_null("")
    )


def _fault(table: str, shop: ShopContext) -> pl.Expr:
    """[column, reason, value] of the first thing that is wrong, else null."""
    at = pl.from_epoch("at", time_unit="ms").dt.to_string("%Y-%m-%dT%H:%M:%SZ")
    tests = [
        (_has_no_customer(table), "address", "is empty", pl.lit("")),
        *_wrong_addresses(shop),
        (_unknown_topic(shop), "topic", f"is not a topic of config.yaml: {', '.join(shop.topics)}", pl.col("topic")),
        ((pl.col("at") > to_millis(shop.now)).fill_null(value=False), "at", "is in the future", at),
    ]
    if table == "consents":
        timeless = pl.col("granted").fill_null(value=False) & pl.col("at").is_null()
        tests.append((timeless, "at", "is empty: a consent needs the time it was given as its proof", pl.lit("")))
    first = pl.lit(None, dtype=pl.List(pl.String))
    for wrong, column, reason, value in reversed(tests):
        fault = pl.concat_list(pl.lit(column), pl.lit(reason), value.fill_null(""))
        first = pl.when(wrong).then(fault).otherwise(first)
    return first


def _has_no_customer(table: str) -> pl.Expr:
    if table == "suppressions":
        return pl.col("address").is_null()
    return pl.col("address").is_null() & pl.col("customer_id").is_null()


def _wrong_addresses(shop: ShopContext) -> Iterator[tuple[pl.Expr, str, str, pl.Expr]]:
    by_kind: dict[str, list[str]] = {"email": ["email"], "phone": ["sms"]}
    for channel, kind in shop.kinds.items():
        by_kind.setdefault(kind, []).append(channel)
    for kind, (shape, reason) in _ADDRESS_SHAPE.items():
        wrong = pl.col("channel").is_in(by_kind[kind]) & ~pl.col("address").str.contains(shape)
        yield wrong.fill_null(value=False), "address", reason, pl.col("address")
    any_shape = "|".join([*(f"({shape})" for shape, _ in _ADDRESS_SHAPE.values()), _DEVICE_TOKEN])
    wrong = (pl.col("channel") == "") & ~pl.col("address").str.contains(any_shape)
    yield wrong.fill_null(value=False), "address", "is neither an e-mail address nor a number", pl.col("address")


def _unknown_topic(shop: ShopContext) -> pl.Expr:
    return (~pl.col("topic").is_in(list(shop.topics)) & (pl.col("topic") != "")).fill_null(value=False)
