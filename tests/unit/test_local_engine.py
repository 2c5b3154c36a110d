"""The local DuckDB gives what Ibis's own gives, and loads neither pandas nor other engines' dialects."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import ibis
import polars as pl
import pytest

from automation import local_engine
from automation.local_engine import connect, insert_frame

FRAME = pl.DataFrame(
    {
        "id": ["a", "quote \"b'", "Größe \u2028", None],
        "n": [1, -(2**62), None, 0],
        "x": [0.1, float("inf"), None, -0.0],
        "yes": [True, None, False, True],
        "day": [date(2024, 2, 29), None, date(1, 1, 2), date(9999, 12, 30)],
        "at": [
            datetime(2026, 3, 29, 1, 30, 0, 123456, UTC),
            None,
            datetime(1960, 1, 1, tzinfo=UTC),
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        ],
    },
    schema_overrides={"at": pl.Datetime("us", "UTC")},
)
_LOADED = """
import json, sys
import polars as pl
from automation.local_engine import connect

here = connect(threads=1)
table = here.create_table("people", pl.DataFrame({"id": ["a", "b"], "n": [1, 2]}))
rows = table.filter(table.n > 1).to_polars().rows()
print(json.dumps([rows, sorted(sys.modules)]))
import ibis, ibis.backends.sql.compilers as compilers
print(compilers.PostgresCompiler.__name__, ibis.to_sql(table.filter(table.n > 1), dialect="postgres").count("SELECT"))
print(len(table.execute()))
"""


@pytest.fixture
def here() -> Iterator[Any]:
    connection = connect(threads=1)
    yield connection
    connection.disconnect()


def test_rows_come_back_as_they_went_in(here: Any) -> None:
    assert here.create_table("rows", FRAME).to_polars().equals(FRAME, null_equal=True)
    assert ibis.memtable(FRAME).pipe(here.to_polars).equals(FRAME, null_equal=True)


def test_types_are_those_of_ibis_own_backend(here: Any) -> None:
    plain = ibis.duckdb.connect(threads=1)
    try:
        assert here.create_table("rows", FRAME).schema() == plain.create_table("rows", FRAME).schema()
        ours, theirs = here.table("rows").to_pyarrow(), plain.table("rows").to_pyarrow()
        assert ours.schema == theirs.schema
        assert ours == theirs
    finally:
        plain.disconnect()


def test_many_rows_and_other_types_go_as_ibis_sends_them(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = pl.DataFrame({"id": ["a", "b"], "tags": [["x", "y"], []]}, schema_overrides={"tags": pl.List(pl.String)})
    assert here.create_table("lists", lists).to_polars().equals(lists)
    monkeypatch.setattr(local_engine, "MOST", 3)
    assert here.create_table("many", FRAME).to_polars().equals(FRAME, null_equal=True)


def test_an_empty_table_keeps_its_columns(here: Any) -> None:
    assert here.create_table("none", FRAME.clear()).to_polars().equals(FRAME.clear())


def test_a_frame_is_inserted_by_name(here: Any) -> None:
    here.con.execute("CREATE TABLE scores (id VARCHAR, score DOUBLE, reasons VARCHAR[])")
    types = {"id": "VARCHAR", "score": "DOUBLE", "reasons": "VARCHAR[]"}
    frame = pl.DataFrame({"reasons": [["late", "it's"], None], "score": [0.25, None], "id": ["a", "b"]})
    with here.con.cursor() as cursor:
        insert_frame(cursor, "scores", types, frame)
        found = cursor.execute("SELECT id, score, reasons FROM scores ORDER BY id").fetchall()
    assert found == [("a", 0.25, ["late", "it's"]), ("b", None, None)]


def test_neither_pandas_nor_other_dialects_are_loaded_and_both_can_be() -> None:
    """A new release of Ibis or DuckDB that loads them in another way shows here."""
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, dialects, executed = done.stdout.splitlines()
    rows, modules = json.loads(first)
    assert rows == [["b", 2]]
    assert {"pandas", "pyarrow.dataset", "ibis.backends.sql.compilers.postgres"} & set(modules) == set()
    assert "ibis.backends.sql.compilers.duckdb" in modules
    assert dialects == "PostgresCompiler 1"
    assert executed == "2"
