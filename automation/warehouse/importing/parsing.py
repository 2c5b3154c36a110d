"""Raw text to typed values, a column at a time. A value that can't be parsed is null, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import polars as pl

from automation.types.schema import ColumnType
from automation.warehouse.importing.addresses import CHECKS
from automation.warehouse.importing.parsed import Parsed, accept
from automation.warehouse.importing.table_mapping import TableMapping

_LONGEST = 10_000  # characters of a text
_LONGEST_ID = 200
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = r"^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?$"
_PLAIN = MappingProxyType(
    {
        "%Y-%m-%d %H:%M:%S": None,
        "%Y-%m-%dT%H:%M:%S": None,
        "%Y-%m-%d %H:%M:%SZ": "UTC",
        "%Y-%m-%dT%H:%M:%SZ": "UTC",
        "%Y-%m-%d %H:%M:%S%.f%#z": None,
        "%Y-%m-%dT%H:%M:%S%.f%#z": None,
    }
)  # format → its zone; None: the mapping's, or the text's own offset
_ISO_DAY = r"^\d{4}-\d{2}-\d{2}$"
_FIRST_EPOCH = 100_000_000_000_000  # microseconds, in 1973: 20241231 is a day, not a second of 1970
_CONTROL = r"[\x00-\x1f\x7f-\x9f]"
_LOST = "\ufffd"  # what a reader puts for a character that it can't read: two ids could become one
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_GROUPS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_BOOLEANS = MappingProxyType(
    {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}
)


def parse(raw: pl.Series, name: str, kind: ColumnType, mapping: TableMapping, now: datetime) -> Parsed:
    """The column's values: by its type, then by its meaning (an address, a price, a birthday).

    A column whose name ends in `_url` or `_link` is a link. `raw`: text, or of the wanted type already.
    """
    parsed = _PARSERS[kind](raw, mapping)
    if kind == "time":
        parsed = parsed.refuse(parsed.values > now + timedelta(days=1), "is in the future")
        return parsed.refuse(parsed.values < _EARLIEST, "is before 1970")
    if name == "birthday":
        parsed = parsed.refuse(parsed.values > now.date(), "is in the future")
        return parsed.refuse(parsed.values.dt.year() < 1900, "is before 1900")
    if name == "price":
        return parsed.refuse(parsed.values < 0, "is negative")
    if (name == "email" or name.endswith("_id")) and raw.dtype == pl.String and parsed.values is not raw:
        parsed = parsed.refuse(raw.str.contains(_CONTROL), "holds control characters")
    if (name == "email" or name.endswith("_id")) and kind == "text":
        lost = parsed.values.str.contains(_LOST, literal=True)
        parsed = parsed.refuse(lost, "holds a character that was lost")
    if name.endswith("_id") and kind == "text":
        return _parse_id(parsed)
    check = CHECKS.get("url" if name.endswith(("_url", "_link")) else name)
    return check(parsed) if check and kind == "text" else parsed


def parse_number(raw: pl.Series, mapping: TableMapping) -> Parsed:
    """Numbers, also with a currency sign or thousands separators; NaN and infinity are not numbers."""
    if raw.dtype.is_numeric():
        numbers = raw.cast(pl.Float64)
        return accept(numbers).refuse(~numbers.is_finite(), "is not a number")
    if mapping.decimal == "comma":
        numbers = _dressed_number(raw, mapping)
    else:  # nearly all numbers are plain, which takes a tenth of the time
        plain = raw.cast(pl.Float64, strict=False)
        numbers = _where(plain.is_finite(), plain, raw, lambda others: _dressed_number(others, mapping))
    return accept(numbers).refuse(raw.is_not_null() & numbers.is_null(), "is not a number")


def _where(
    read: pl.Series, values: pl.Series, raw: pl.Series, read_others: Callable[[pl.Series], pl.Series]
) -> pl.Series:
    """Keep the values that could be read, and read the others, few if any, in another way."""
    others = (~read.fill_null(value=False) & raw.is_not_null()).arg_true()
    return values.scatter(others, read_others(raw[others])) if len(others) else values


def _dressed_number(raw: pl.Series, mapping: TableMapping) -> pl.Series:
    """Numbers with a currency sign or thousands separators."""
    text = raw.str.replace_all(r"[\p{Sc}\s]", "")
    if mapping.decimal == "comma":
        text = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    grouped = text.str.contains(_GROUPS)
    text = pl.select(pl.when(grouped).then(text.str.replace_all(",", "", literal=True)).otherwise(text)).to_series()
    numbers = pl.select(pl.when(text.str.contains(_NUMBER)).then(text)).to_series().cast(pl.Float64, strict=False)
    return pl.select(pl.when(numbers.is_finite()).then(numbers)).to_series()


def _parse_integer(raw: pl.Series, mapping: TableMapping) -> Parsed:
    number = parse_number(raw, mapping)
    whole = (number.values == number.values.round()) & (number.values.abs() < 2**53)
    parsed = number.refuse(~whole, "is not a whole number")
    return Parsed(parsed.values.cast(pl.Int64), parsed.fault)


def _parse_boolean(raw: pl.Series, _: TableMapping) -> Parsed:
    if raw.dtype == pl.Boolean:
        return accept(raw)
    values = raw.str.to_lowercase().replace_strict(dict(_BOOLEANS), default=None, return_dtype=pl.Boolean)
    return accept(values).refuse(raw.is_not_null() & values.is_null(), "is neither yes nor no")


def _parse_text(raw: pl.Series, _: TableMapping) -> Parsed:
    """Line breaks and other control characters become spaces, so that no text can end a mail header."""
    text = raw
    if raw.str.contains(_CONTROL).any():
        text = raw.str.replace_all(f"{_CONTROL}+", " ").str.strip_chars()
    return _at_most(accept(text), _LONGEST)


def _at_most(parsed: Parsed, longest: int) -> Parsed:
    return parsed.refuse(parsed.values.str.len_chars() > longest, f"is longer than {longest} characters")


def _parse_id(parsed: Parsed) -> Parsed:
    """Ids; one that a spreadsheet turned into a number is restored: 17850.0 is 17850."""
    ids = parsed.values
    if ids.str.ends_with(".0").any():  # 3 ms a million; the pattern takes 90
        ids = ids.str.replace(r"^(\d+)\.0$", "$1")
    return _at_most(Parsed(ids, parsed.fault), _LONGEST_ID)


def _parse_time(raw: pl.Series, mapping: TableMapping) -> Parsed:
    """Instants in UTC; a time without a zone is in the mapping's, the earlier one when clocks go back."""
    if isinstance(raw.dtype, pl.Datetime):
        return accept(raw if raw.dtype.time_zone else _in_zone(raw, mapping.timezone))
    times = pl.repeat(None, len(raw), dtype=pl.Datetime("us", "UTC"), eager=True)
    for attempt in [_iso_time] if not mapping.times else [_formatted(form) for form in mapping.times]:
        if times.null_count() > raw.null_count():
            times = times.zip_with(times.is_not_null(), attempt(raw, mapping.timezone))
    return accept(times).refuse(raw.is_not_null() & times.is_null(), _not_a_time(mapping))


def _parse_date(raw: pl.Series, mapping: TableMapping) -> Parsed:
    if raw.dtype == pl.Date:
        return accept(raw)
    days = pl.repeat(None, len(raw), dtype=pl.Date, eager=True)
    for form in mapping.times or ("iso",):
        iso = form in ("iso", "%Y-%m-%d")
        text = raw.str.slice(0, 10) if iso else raw
        days = days.zip_with(days.is_not_null(), text.str.to_date("%Y-%m-%d" if iso else form, strict=False))
    return accept(days).refuse(raw.is_not_null() & days.is_null(), _not_a_time(mapping))


def _not_a_time(mapping: TableMapping) -> str:
    shown = [_EXAMPLES.get(form, form) for form in mapping.times or ("iso",)]
    return f"is not a time such as {' or '.join(shown)}"


_EXAMPLES = {"iso": "2024-12-31 18:00:00", "epoch": "1735668000", "epoch_ms": "1735668000000"}


def _iso_time(raw: pl.Series, zone: str) -> pl.Series:
    """ISO 8601 as systems write it: T or a space, seconds or not, Z, UTC, +02:00, +0200 or nothing."""
    whole = pl.select(pl.when(raw.str.contains(_ISO)).then(raw)).to_series()
    first = whole.drop_nulls().head(1)
    for form, stated in _PLAIN.items():  # a column in one format takes a tenth to a third of the time
        if first.str.to_datetime(form, strict=False).drop_nulls().len():
            plain = whole.str.to_datetime(form, strict=False, time_unit="us")
            plain = plain.dt.convert_time_zone("UTC") if "%#z" in form else _in_zone(plain, stated or zone)
            return _where(plain.is_not_null(), plain, raw, lambda others: _any_iso_time(others, zone))
    return _any_iso_time(raw, zone)


def _any_iso_time(raw: pl.Series, zone: str) -> pl.Series:
    parts = raw.to_frame("raw").select(
        pl.when(pl.col("raw").str.contains(_ISO_DAY)).then(pl.col("raw") + " 00:00:00").otherwise(
            pl.col("raw").str.replace(_ISO, "$1 $2") + pl.col("raw").str.extract(_ISO, 3).fill_null(":00")
        ).alias("local"),
        pl.col("raw").str.extract(_ISO, 4).replace({"Z": "+0000", "UTC": "+0000", "GMT": "+0000"}).alias("offset"),
    )  # fmt: skip
    zoned = (parts["local"] + parts["offset"].str.replace(":", "").str.pad_end(5, "0")).str.to_datetime(
        "%Y-%m-%d %H:%M:%S%.f%z", strict=False, time_unit="us"
    )
    if parts["offset"].null_count() == 0:
        return zoned
    local = parts["local"].str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    return zoned.zip_with(parts["offset"].is_not_null(), _in_zone(local, zone))


def _formatted(form: str) -> Callable[[pl.Series, str], pl.Series]:
    def attempt(raw: pl.Series, zone: str) -> pl.Series:
        if form == "iso":
            return _iso_time(raw, zone)
        if form in ("epoch", "epoch_ms"):
            number = raw.cast(pl.Float64, strict=False) * (1_000_000 if form == "epoch" else 1_000)
            number = pl.select(pl.when(number.is_between(_FIRST_EPOCH, 2**60)).then(number)).to_series()
            return number.cast(pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        if not any(part in form for part in ("%H", "%I", "%T", "%R")):
            return _in_zone(raw.str.to_date(form, strict=False).cast(pl.Datetime("us")), zone)
        times = raw.str.to_datetime(form, strict=False, time_unit="us")
        return times if "%z" in form else _in_zone(times, zone)

    return attempt


def _in_zone(local: pl.Series, zone: str) -> pl.Series:
    """A local time that the clocks skip is an hour later, as a clock would have shown it."""
    if zone == "UTC":
        return local.dt.replace_time_zone("UTC")
    exact = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    if exact.null_count() > local.null_count():
        later = (local + timedelta(hours=1)).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        exact = exact.zip_with(exact.is_not_null(), later)
    return exact.dt.convert_time_zone("UTC")


_PARSERS: Mapping[ColumnType, Callable[[pl.Series, TableMapping], Parsed]] = MappingProxyType(
    {
        "text": _parse_text,
        "number": parse_number,
        "integer": _parse_integer,
        "boolean": _parse_boolean,
        "date": _parse_date,
        "time": _parse_time,
    }
)
