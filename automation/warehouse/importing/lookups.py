"""Ids by another column, for files that name a customer or product instead of giving its id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from automation.errors import ConfigurationError
from automation.types.schema import TABLES
from automation.warehouse.importing.parsed import Parsed, accept
from automation.warehouse.importing.table_mapping import TableMapping

if TYPE_CHECKING:
    from automation.warehouse.embedded import Warehouse


def lookups(warehouse: Warehouse, mapping: TableMapping) -> dict[str, pl.DataFrame]:
    """For every `find` of the mapping, such as customers.name: value, id (null if several share the value).

    Raises `ConfigurationError` if the table lacks the column.
    """
    found: dict[str, pl.DataFrame] = {}
    for value in mapping.columns.values():
        if value.find is None or value.find in found:
            continue
        name, by = value.target
        table = warehouse.table(name)
        if by not in table.columns:
            raise ConfigurationError(f"find: {value.find}: the {name} have no {by!r}; import the {name} first")
        key = table[TABLES[name].key]
        known = table.filter(table[by].notnull()).group_by(value=table[by]).aggregate(id=key.min(), other=key.max())
        frame: pl.DataFrame = known.to_polars()
        found[value.find] = frame.select(
            "value", pl.when(pl.col("id") == pl.col("other")).then(pl.col("id")).alias("id")
        )
    return found


def find(text: pl.Series, known: Mapping[str, pl.DataFrame], where: str, *, keep: bool) -> Parsed:
    """The ids of these values; `keep`: an unknown value stays as it is."""
    table, by = where.split(".")
    pairs = pl.DataFrame({"value": text}).join(known[where], on="value", how="left", maintain_order="left")
    if keep:
        return accept(pairs.select(pl.coalesce("id", "value")).to_series())
    return accept(pairs["id"]).refuse(
        text.is_not_null() & pairs["id"].is_null(), f"is not the {by} of exactly one of the {table}"
    )
