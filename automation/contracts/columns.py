"""Columns as `types.schema` declares them, in Polars."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from automation.types.schema import ColumnType

POLARS_TYPES: Mapping[ColumnType, pl.DataType] = MappingProxyType(
    {
        "text": pl.String(),
        "number": pl.Float64(),
        "integer": pl.Int64(),
        "boolean": pl.Boolean(),
        "date": pl.Date(),
        "time": pl.Datetime("us", "UTC"),
    }
)
"""The Polars type of each declared type."""
_BY_NAME: Mapping[str, pl.DataType] = dict(POLARS_TYPES.items())


def polars_schema(columns: Mapping[str, str]) -> pl.Schema:
    """The schema of a frame with these columns (name → declared type), in their order. Raises `KeyError` for a type
    that is none of `POLARS_TYPES`."""
    return pl.Schema({name: _BY_NAME[kind] for name, kind in columns.items()})
