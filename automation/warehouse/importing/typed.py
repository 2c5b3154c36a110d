"""Columns whose type the file states: kept where a value of that type is asked for, otherwise read as text."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from automation.warehouse.importing.mapping_grammar import Mapping, Skip, Value

_INSTANT = "%Y-%m-%dT%H:%M:%S%.6f"
_LIKE_A_VALUE = re.compile(r"^[\d.+-]|^(true|false|inf)$")  # an empty word that a typed value might be written like


def keep_types(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """The frame with every other column than `_row` as text, except where its type is what the mapping wants of it.

    Parsing a value again that a file states as it is wanted took a third of an import.
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
    """A column as the text that a file without types would hold: instants as ISO 8601, true and false."""
    if isinstance(dtype, pl.Datetime):
        return pl.col(name).dt.to_string(_INSTANT + ("" if dtype.time_zone is None else "+00:00"))
    return pl.col(name).cast(pl.String)


def all_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Every column but `_row` as text."""
    typed = {name: dtype for name, dtype in frame.schema.items() if name != "_row" and dtype != pl.String}
    return frame.with_columns(text_of(name, dtype) for name, dtype in typed.items())


def _wanted(mapping: Mapping) -> Iterator[tuple[str, str]]:
    """What the mapping reads each of the file's columns as: a column's type, or text."""
    for name, value in mapping.columns.items():
        yield from ((factor, "number") for factor in (*(value.multiply or ()), value.minus) if factor)
        if value.column is not None:
            yield value.column, mapping.kinds[name] if _as_it_is(value) else "text"
        yield from ((one, "text") for one in (*value.first, *value.placeholders))
    yield from ((rule.column, "number" if _compares(rule) else "text") for rule in mapping.skip if rule.empty is None)
    yield from ((one.column, "text") for one in mapping.permissions if one.column)
    if mapping.items:
        yield mapping.items.column, "text"


def _as_it_is(value: Value) -> bool:
    return not (value.first or value.until or value.lower or value.values or value.find)


def _compares(rule: Skip) -> bool:
    return any(limit is not None for limit in (rule.at_most, rule.at_least, rule.less_than, rule.more_than))


def _fitting(dtype: pl.DataType, mapping: Mapping) -> set[str]:
    if dtype.is_numeric():
        return {"number", "integer"}
    if dtype == pl.Boolean:
        return {"boolean"}
    if mapping.times:  # only the mapping's own formats are tried
        return set()
    return {"date"} if dtype == pl.Date else {"time"}
