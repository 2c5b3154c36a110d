"""What an import says about permission, kept on disk until its rows are committed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from automation.warehouse.importing.cleaning import RECORD, Cleaned
from automation.warehouse.importing.mapping_grammar import Mapping, Permission

PERMISSIONS = pl.Schema(
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


def permissions(cleaned: Cleaned, mapping: Mapping) -> Iterator[pl.DataFrame]:
    """A frame with the columns of `PERMISSIONS` per channel and topic of the mapping; who said nothing is absent."""
    if mapping.consent is None:
        return
    own = [name for name in ("email", "phone") if name in cleaned.rows.columns]
    whose = cleaned.rows.select(RECORD, "customer_id", *(pl.col(name).alias(f"_{name}") for name in own))
    rows = whose.join(cleaned.raw, on=RECORD, how="inner", suffix="_of_file")
    for channel, topics in mapping.consent.channels.items():
        for topic, permission in topics.items():
            if permission.optional and permission.column not in cleaned.raw.columns:
                continue
            said = rows.select(
                "customer_id",
                pl.lit(channel).alias("channel"),
                pl.lit(topic).alias("topic"),
                _granted(permission).alias("granted"),
                pl.lit(mapping.consent.source).alias("source"),
                *(pl.col(f"_{name}").alias(name) if name in own else _unknown(name) for name in ("email", "phone")),
            )
            yield said.drop_nulls("granted")


def _unknown(name: str) -> pl.Expr:
    return pl.lit(None, dtype=pl.String).alias(name)


def _granted(permission: Permission) -> pl.Expr:
    if permission.column is None:
        return pl.lit(permission.always)
    column = "customer_id_of_file" if permission.column == "customer_id" else permission.column
    return pl.col(column).str.to_lowercase().is_in([word.lower() for word in permission.granted])


def spool(frame: pl.DataFrame, folder: Path) -> None:
    """Keep a frame until `spooled` reads it."""
    if frame.height:
        frame.write_parquet(folder / f"permissions-{len(list(folder.glob('permissions-*'))):06d}.parquet")


def spooled(folder: Path) -> Iterator[pl.DataFrame]:
    """The frames kept in the folder, in the order in which they came."""
    for path in sorted(folder.glob("permissions-*.parquet")):
        yield pl.read_parquet(path, glob=False)
