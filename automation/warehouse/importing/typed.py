"""Columns whose type the file states: kept if the mapping wants that type, otherwise read as text."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from automation.warehouse.importing.table_mapping import TableMapping

_INSTANT = "%Y-%m-%dT%H:%M:%S%.6f"
_LIKE_A_VALUE = re.compile(r"^[\d.+-]|^(true|false|inf)$")  # an empty word that could also be a typed value


def keep_types(frame: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    """Every column but `_row` as text, except those whose type is the one that the mapping wants.

    Parsing values again that the file already types took a third of an import.
    """
    typed = [name for name, dtype in frame.schema.items() if name != "_row" and dtype != pl.String]
    if not typed:
        return frame
    wanted: dict[str, set[str]] = {}
    for name, kind in _wanted(mapping):
        wanted.setdefault(name, set()).add(kind)
    ambiguous = any(map(_LIKE_A_VALUE.search, mapping.empty_words))
    others = [
        name for name in typed if ambiguous or not wanted.get(name, {""}) <= _fitting(frame.schema[name], mapping)
    ]
    return frame.with_columns(text_of(name, frame.schema[name]) for name in others)


def text_of(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column as a file without types would write it: instants as ISO 8601, true and false."""
    if isinstance(dtype, pl.Datetime):
        return pl.col(name).dt.to_string(_INSTANT + ("" if dtype.time_zone is None else "+00:00"))
    return pl.col(name).cast(pl.String)


def all_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Every column but `_row` as text."""
    typed = {name: dtype for name, dtype in frame.schema.items() if name != "_row" and dtype != pl.String}
    return frame.with_columns(text_of(name, dtype) for name, dtype in typed.items())


def _wanted(mapping: TableMapping) -> Iterator[tuple[str, str]]:
    """The file's columns with the type that the mapping wants of each."""
    for name, value in mapping.columns.items():
        yield from ((factor, "number") for factor in (*(value.multiply or ()), value.minus) if factor)
        if value.column is not None:
            yield value.column, mapping.kinds[name] if value.as_written else "text"
        yield from ((one, "text") for one in (*value.first, *value.placeholders))
    yield from (
        (rule.column, "number" if rule.compares_numbers else "text") for rule in mapping.skip if rule.empty is None
    )
    yield from ((one.column, "text") for one in mapping.consent_columns if one.column)
    yield from ((column, "text") for column, values in mapping.where.items() if values)
    if mapping.discounts:
        yield from ((name, "number") for name in mapping.discounts.numbers)
    if mapping.items:
        yield mapping.items.column, "text"


def _fitting(dtype: pl.DataType, mapping: TableMapping) -> set[str]:
    if dtype.is_numeric():
        return {"number", "integer"}
    if dtype == pl.Boolean:
        return {"boolean"}
    if mapping.times:  # only the mapping's own formats are tried
        return set()
    return {"date"} if dtype == pl.Date else {"time"}
