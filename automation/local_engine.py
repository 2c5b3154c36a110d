"""The local DuckDB through Ibis, without loading what our queries don't use.

By itself Ibis loads the SQL dialects of 20 engines (0.12 s of CPU), and pandas on its way to Arrow; DuckDB loads pandas
too where it reads Arrow (0.35 s). Short commands would spend most of their time on that.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.operations as ops
    import ibis.expr.types as ir
    import polars as pl
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

MOST = 50_000
"""A table in memory of at most so many rows is handed to DuckDB as a Parquet file, a larger one as Arrow."""
_DIALECTS = "ibis.backends.sql.compilers"


def connect(**configuration: Any) -> Backend:
    """A new DuckDB in memory, in UTC, with DuckDB's settings by name."""
    connection: Backend = _backend()().connect(**configuration)
    return connection


def insert_frame(cursor: Any, table: str, types: Mapping[str, str], frame: pl.DataFrame) -> None:
    """Insert the frame's columns of these SQL types into the table's columns of the same names."""
    names = ", ".join(map(_quote, types))
    values = ", ".join(f"{_quote(name)}::{kind}" for name, kind in types.items())
    with NamedTemporaryFile(suffix=".parquet") as file:
        frame.select(*types).write_parquet(file.name, compression="uncompressed", statistics=False)
        cursor.execute(f"INSERT INTO {table} ({names}) SELECT {values} FROM read_parquet({_quote_text(file.name)})")  # noqa: S608


def defer_other_dialects() -> None:
    """Load DuckDB's dialect alone; asking Ibis for another loads all of them, as Ibis does by itself."""
    if _DIALECTS in sys.modules:
        return
    spec = find_spec(_DIALECTS)
    assert spec is not None
    assert spec.loader is not None
    loader, package = spec.loader, module_from_spec(spec)

    def load_all(name: str) -> Any:
        vars(package).pop("__getattr__", None)
        loader.exec_module(package)
        return getattr(package, name)

    vars(package)["__getattr__"] = load_all
    sys.modules[_DIALECTS] = package
    vars(import_module("ibis.backends.sql"))["compilers"] = package
    import_module(f"{_DIALECTS}.duckdb")


@cache
def _backend() -> type[Backend]:
    defer_other_dialects()
    from ibis.backends.duckdb import Backend
    from ibis.formats.pyarrow import PyArrowData

    class LocalBackend(Backend):  # type: ignore[misc]  # Ibis has no types
        """Ibis's own, but rows go in and out without pandas."""

        def to_pyarrow(self, expr: ir.Expr, /, *, params: Any = None, limit: Any = None, **options: Any) -> Any:
            if any(kind.is_null() for kind in expr.as_table().schema().types):
                return super().to_pyarrow(expr, params=params, limit=limit, **options)
            rows: pa.Table = self._to_duckdb_relation(expr, params=params, limit=limit, **options).to_arrow_table()
            return expr.__pyarrow_result__(rows, data_mapper=PyArrowData)

        def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
            if not _insert_in_memory_table(self, op):
                super()._register_in_memory_table(op)

    LocalBackend.register_options()
    return LocalBackend


def _insert_in_memory_table(backend: Backend, op: ops.InMemoryTable) -> bool:
    """Create the in-memory table by way of a file; False if it has many rows, or types other than plain values."""
    from ibis.formats.polars import PolarsDataFrameProxy
    from ibis.formats.pyarrow import PyArrowTableProxy

    few = isinstance(op.data, PolarsDataFrameProxy | PyArrowTableProxy) and len(op.data.obj) <= MOST
    if not few or not all(_is_value(kind) for kind in op.schema.types):
        return False
    types = {name: backend.compiler.type_mapper.to_string(kind) for name, kind in op.schema.items()}
    view, table = _quote(op.name), _quote(f"{op.name}_rows")
    columns = ", ".join(f"{_quote(name)} {kind}" for name, kind in types.items())
    backend.con.execute(f"CREATE TEMP TABLE {table} ({columns})")
    insert_frame(backend.con, table, types, op.data.to_polars(op.schema))
    backend.con.execute(f"CREATE TEMP VIEW {view} AS FROM {table}")  # Ibis drops a view
    return True


def _is_value(kind: Any) -> bool:
    plain: bool = kind.is_string() or kind.is_numeric() or kind.is_boolean() or kind.is_date() or kind.is_timestamp()
    return plain


def _quote_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
