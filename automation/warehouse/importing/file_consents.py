"""The consents that a customers file states, kept on disk until its rows are committed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from automation.warehouse.importing.cleaning import RECORD, Cleaned
from automation.warehouse.importing.mapping_grammar import ConsentColumn
from automation.warehouse.importing.table_mapping import TableMapping

FILE_CONSENTS = pl.Schema(
    {
        "customer_id": pl.String(),
        "channel": pl.String(),
        "topic": pl.String(),
        "granted": pl.Boolean(),
        "source": pl.String(),
        "email": pl.String(),
        "phone": pl.String(),
    }
)


def read_consents(cleaned: Cleaned, mapping: TableMapping) -> Iterator[pl.DataFrame]:
    """A frame (`FILE_CONSENTS`) per channel and topic of the mapping; customers without a value are absent."""
    if mapping.consent is None:
        return
    own = [name for name in ("email", "phone") if name in cleaned.rows.columns]
    whose = cleaned.rows.select(RECORD, "customer_id", *(pl.col(name).alias(f"_{name}") for name in own))
    rows = whose.join(cleaned.raw, on=RECORD, how="inner", suffix="_of_file")
    for channel, topics in mapping.consent.channels.items():
        for topic, column in topics.items():
            if column.optional and column.column not in cleaned.raw.columns:
                continue
            consents = rows.select(
                "customer_id",
                pl.lit(channel).alias("channel"),
                pl.lit(topic).alias("topic"),
                _granted(column).alias("granted"),
                pl.lit(mapping.consent.source).alias("source"),
                *(pl.col(f"_{name}").alias(name) if name in own else _null(name) for name in ("email", "phone")),
            )
            yield consents.drop_nulls("granted")


def _null(name: str) -> pl.Expr:
    return pl.lit(None, dtype=pl.String).alias(name)


def _granted(column: ConsentColumn) -> pl.Expr:
    if column.column is None:
        return pl.lit(column.always)
    name = "customer_id_of_file" if column.column == "customer_id" else column.column
    return pl.col(name).str.to_lowercase().is_in([value.lower() for value in column.granted])


def spool(frame: pl.DataFrame, folder: Path) -> None:
    """Keep a frame until `read_spooled`."""
    if frame.height:
        frame.write_parquet(folder / f"consents-{len(list(folder.glob('consents-*'))):06d}.parquet")


def read_spooled(folder: Path) -> Iterator[pl.DataFrame]:
    """The frames kept in the folder, in the order in which they came."""
    for path in sorted(folder.glob("consents-*.parquet")):
        yield pl.read_parquet(path, glob=False)
