"""Ids for events without one: a hash of the row's values, the same at every import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from automation.types.schema import ColumnType
from automation.warehouse.tables import quote_name, quote_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SEPARATOR = "chr(31)"


def with_event_ids(sql: DuckDBPyConnection, rows: pl.DataFrame, kinds: Mapping[str, ColumnType]) -> pl.DataFrame:
    """The rows with event_id filled: 32 hex digits of SHA-256 over `name=value` of every filled column of `kinds`.

    Names are in alphabetical order, separated by U+001F, instants in microseconds. An empty column doesn't change the
    id, so that a mapping can gain columns without giving old rows new ids.
    """
    if "event_id" not in rows.columns:
        return rows.with_columns(_hashes(sql, rows, kinds))
    lacking = rows["event_id"].is_null().arg_true()
    if not len(lacking):  # hashing every row took a quarter of an import's time
        return rows
    return rows.with_columns(rows["event_id"].scatter(lacking, _hashes(sql, rows[lacking], kinds)))


def _hashes(sql: DuckDBPyConnection, rows: pl.DataFrame, kinds: Mapping[str, ColumnType]) -> pl.Series:
    columns = {name: quote_name(name) for name in sorted(kinds) if name != "event_id"}
    parts = ", ".join(
        f"{quote_text(name + '=')} || {f'epoch_us({column})' if kinds[name] == 'time' else column}::VARCHAR"
        for name, column in columns.items()
    )
    sql.register("unnamed", rows.to_arrow())
    query = f"SELECT left(sha256(concat_ws({_SEPARATOR}, {parts})), 32) AS event_id FROM unnamed"  # noqa: S608 (quoted)
    hashed = pl.from_arrow(sql.execute(query).to_arrow_table())
    sql.unregister("unnamed")
    assert isinstance(hashed, pl.DataFrame)
    return hashed["event_id"]
