"""Copies rows from the shop's database into our DuckDB, as Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend


def fetch(table: ir.Table, here: Backend) -> ir.Table:
    """A temporary copy of another engine's table, a batch at a time; it ends with the connection."""
    import ibis

    name = ibis.util.gen_name("fetched")
    here.con.register(f"{name}_rows", read_rows(table))
    try:
        here.con.execute(f"CREATE TEMP TABLE {name} AS FROM {name}_rows")
    finally:
        here.con.unregister(f"{name}_rows")
    return here.table(name)


def read_rows(table: ir.Table) -> pa.RecordBatchReader | pa.Table:
    """The rows as Arrow, in batches where the engine gives them so."""
    shop = table.get_backend()
    if shop.name == "pyspark":  # ibis 12 uses pandas here, which turns instants and missing Booleans into objects
        shop._run_pre_execute_hooks(table)
        return shop.raw_sql(shop.compile(table)).toArrow()
    return shop.to_pyarrow_batches(table, chunk_size=100_000)
