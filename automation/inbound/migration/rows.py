"""Reads an export's rows by a mapping: what they say in our words, and what can't be used with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from automation.clock import to_millis
from automation.inbound.migration.mapping import Chosen, Entry, Granted, Kind, Value
from automation.types.address import normalised
from automation.warehouse.importing.cleaning import FAULTS

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
_TEXTS = ("address", "customer_id", "channel", "topic", "reason", "source", "method", "text_version", "campaign")
_ADDRESS_SHAPE = {
    "email": (r"^[^\s@<>,;]*@[^\s@<>,;]+\.[^\s@<>,;]+$", "is not an e-mail address"),
    "phone": (r"^\+?\d{6,15}$", "is not a phone number"),
}
_OF_A_DEVICE = r"^\S{20,}$"
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z")
_LOCAL = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M")


@dataclass(frozen=True)
class ShopContext:
    """What the rows are read against: this shop's channels (name → kind of address), topics and time zone."""

    kinds: Mapping[str, str]
    topics: Sequence[str]
    timezone: str
    now: datetime


@dataclass(frozen=True)
class Read:
    """One frame of a file. `left_out`: rows that no entry speaks of, or that say nothing."""

    rows: pl.DataFrame
    faults: pl.DataFrame
    left_out: int


def read(raw: pl.DataFrame, chosen: Chosen, kind: Kind, shop: ShopContext) -> Read:
    """Every entry tried on every row. `raw`: text columns and _row; a row is used, refused, or left out."""
    raw = _trimmed(raw)
    parts = [_entry(raw, entry, kind, shop) for entry in chosen.entries]
    rows = pl.concat([part.rows for part in parts])
    faults = pl.concat([part.faults for part in parts])
    spoken = pl.concat([rows["_row"], faults["_row"]]).n_unique()
    return Read(rows, faults, raw.height - spoken)


def _entry(raw: pl.DataFrame, entry: Entry, kind: Kind, shop: ShopContext) -> Read:
    mine = raw.filter(*_conditions(entry))
    told = mine.select(
        "_row",
        *(_value(getattr(entry, name), mine).alias(name) for name in _TEXTS),
        _value(entry.at, mine).alias("written_at"),
        _granted(entry.granted).alias("granted"),
        _said(entry.granted).alias("said"),
    ).with_columns(pl.col("channel").fill_null(""))
    if isinstance(entry.granted, Granted):
        told = told.filter(
            ~pl.col("said").is_in([word.lower() for word in entry.granted.nothing]).fill_null(value=True)
        )
    told = told.with_columns(
        normalised(told["address"]).alias("address"), _instant(entry.timezone or shop.timezone).alias("at")
    )
    judged = told.with_columns(_fault(kind, shop).alias("fault"))
    refused = judged.filter(pl.col("fault").is_not_null())
    faults = refused.select(
        "_row",
        pl.lit("row").alias("kind"),
        pl.col("fault").list.get(0).alias("column"),
        pl.col("fault").list.get(1).alias("reason"),
        pl.col("fault").list.get(2).alias("value"),
    )
    good = judged.filter(pl.col("fault").is_null()).select(list(ROWS))
    return Read(good, faults.cast({name: FAULTS[name] for name in faults.columns}), 0)


def _trimmed(raw: pl.DataFrame) -> pl.DataFrame:
    """Without blanks, a spreadsheet's apostrophe, or the brackets of a list; what is empty then is null."""
    texts = [name for name in raw.columns if name != "_row"]
    plain = pl.col(texts).str.strip_chars().str.replace(r"^'([+=@-])", "$1").str.replace(r'^\["?([^",\]]*)"?\]$', "$1")
    return raw.with_columns(plain).with_columns(pl.when(pl.col(texts) != "").then(pl.col(texts)).name.keep())


def _conditions(entry: Entry) -> Iterator[pl.Expr]:
    yield pl.lit(value=True)
    for column, words in entry.where.items():
        among = pl.col(column).str.to_lowercase().is_in([word.lower() for word in words])
        yield among if words else pl.col(column).is_not_null()


def _value(value: Value | None, raw: pl.DataFrame) -> pl.Expr:
    if value is None:
        return pl.lit(None, dtype=pl.String)
    if value.constant is not None:
        return pl.lit(value.constant)
    present = [pl.col(name) for name in value.columns if name in raw.columns]
    text = pl.coalesce(present) if present else pl.lit(None, dtype=pl.String)
    if not value.values:
        return text if value.otherwise is None else text.fill_null(value.otherwise)
    words = {word.lower(): meaning for word, meaning in value.values.items()}
    kept = text if value.otherwise is None else pl.lit(value.otherwise)
    return text.str.to_lowercase().replace_strict(words, default=kept, return_dtype=pl.String)


def _granted(granted: Granted | bool | None) -> pl.Expr:
    if not isinstance(granted, Granted):
        return pl.lit(granted, dtype=pl.Boolean)
    words = {word.lower(): True for word in granted.yes} | {word.lower(): False for word in granted.no}
    return pl.col(granted.column).str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.Boolean)


def _said(granted: Granted | bool | None) -> pl.Expr:
    column = pl.col(granted.column).str.to_lowercase() if isinstance(granted, Granted) else pl.lit("")
    return column.cast(pl.String)


def _instant(zone: str) -> pl.Expr:
    """Milliseconds of ISO 8601 with or without a zone, a date alone, or seconds since 1970."""
    text = (
        pl.col("written_at")
        .str.replace(r" ?(UTC|GMT|Z)$", "+00:00")
        .str.replace(r"^(\d{4}-\d\d-\d\d)[ T]+", "${1}T")
        .str.replace(r"^(\d{4}-\d\d-\d\d)$", "${1}T00:00:00")
    )
    seconds = pl.when(text.str.contains(r"^\d{9,10}(\.\d+)?$")).then(text).cast(pl.Float64) * 1000
    zoned = [text.str.to_datetime(form, strict=False, time_unit="ms", time_zone="UTC") for form in _ZONED]
    local = [
        text.str.to_datetime(form, strict=False, time_unit="ms")
        .dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        .dt.convert_time_zone("UTC")
        for form in _LOCAL
    ]
    return pl.coalesce(*(one.dt.epoch("ms") for one in [*zoned, *local]), seconds.cast(pl.Int64))


def _fault(kind: Kind, shop: ShopContext) -> pl.Expr:
    """[column, reason, value] of the first thing wrong, else null."""
    now = to_millis(shop.now)
    tests = [
        (_nobody(kind), "address", "is empty", pl.lit("")),
        *_wrong_addresses(shop),
        (_unknown_topic(shop), "topic", f"is not a topic of config.yaml: {', '.join(shop.topics)}", pl.col("topic")),
        (pl.col("written_at").is_not_null() & pl.col("at").is_null(), "at", "is not a time", pl.col("written_at")),
        ((pl.col("at") > now).fill_null(value=False), "at", "is in the future", pl.col("written_at")),
    ]
    if kind == "consents":
        unknown = "is neither a yes nor a no of the mapping"
        tests.append((pl.col("granted").is_null(), "granted", unknown, pl.col("said")))
        timeless = pl.col("granted").fill_null(value=False) & pl.col("at").is_null()
        tests.append((timeless, "at", "is empty: a yes without its time proves nothing", pl.lit("")))
    if kind == "sends":
        tests.append((pl.col("at").is_null(), "at", "is empty", pl.lit("")))
    found = pl.lit(None, dtype=pl.List(pl.String))
    for wrong, column, reason, value in reversed(tests):
        fault = pl.concat_list(pl.lit(column), pl.lit(reason), value.fill_null(""))
        found = pl.when(wrong).then(fault).otherwise(found)
    return found


def _nobody(kind: Kind) -> pl.Expr:
    if kind == "suppressions":
        return pl.col("address").is_null()
    return pl.col("address").is_null() & pl.col("customer_id").is_null()


def _wrong_addresses(shop: ShopContext) -> Iterator[tuple[pl.Expr, str, str, pl.Expr]]:
    by_kind: dict[str, list[str]] = {"email": ["email"], "phone": ["sms"]}
    for channel, kind in shop.kinds.items():
        by_kind.setdefault(kind, []).append(channel)
    for kind, (shape, what) in _ADDRESS_SHAPE.items():
        wrong = pl.col("channel").is_in(by_kind[kind]) & ~pl.col("address").str.contains(shape)
        yield wrong.fill_null(value=False), "address", what, pl.col("address")
    any_shape = "|".join([*(f"({shape})" for shape, _ in _ADDRESS_SHAPE.values()), _OF_A_DEVICE])
    wrong = (pl.col("channel") == "") & ~pl.col("address").str.contains(any_shape)
    yield wrong.fill_null(value=False), "address", "is neither an e-mail address nor a number", pl.col("address")


def _unknown_topic(shop: ShopContext) -> pl.Expr:
    return (~pl.col("topic").is_in(list(shop.topics)) & (pl.col("topic") != "")).fill_null(value=False)
