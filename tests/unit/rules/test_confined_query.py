"""An admin's SQL in a database of its own: what it can't read even unchecked, and where it ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import sqlglot
from sqlglot import exp

from automation.contracts import Snapshot
from automation.errors import ConfigurationError
from automation.rules import confined_query, named_condition
from automation.rules.confined_query import QueryError, ask_customers
from automation.rules.named_condition import NamedCondition, NamedQuery
from automation.rules.query_process import answer
from automation.testing.toy_shop import toy_customers, toy_events, toy_products
from automation.types.query import WrittenQuery, parse_query
from automation.warehouse.embedded import open_warehouse

AS_OF = datetime(2026, 3, 30, 9, tzinfo=UTC)
ENDLESS = "WITH RECURSIVE t(c) AS (SELECT 'c1' UNION ALL SELECT c FROM t) SELECT max(c) AS customer_id FROM t"
LARGE = "SELECT list_sort(generate_series(1, 200000000))[1]::VARCHAR AS customer_id"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    """The toy shop in Delta tables; an event of tomorrow beside it, so that the snapshot has a cut."""
    warehouse = open_warehouse(tmp_path_factory.mktemp("toy") / "what?")
    warehouse.upsert("customers", toy_customers())
    warehouse.upsert("products", toy_products())
    late = toy_events().head(1).with_columns(
        occurred_at=pl.lit(datetime(2026, 3, 31, tzinfo=UTC)).cast(toy_events().schema["occurred_at"]),
        event_id=pl.lit("late"), customer_id=pl.lit("c7"), type=pl.lit("add_to_cart"),
    )  # fmt: skip
    warehouse.append_events(pl.concat([toy_events(), late]))
    yield warehouse.snapshot(AS_OF)
    warehouse.close()


def ask(sql: str, data: Snapshot, seconds: int = 20) -> set[str]:
    return set(ask_customers(parse_query(sql), data, seconds=seconds)["customer_id"].to_pylist())


def test_it_reads_the_files_of_the_warehouse_and_no_copy_of_them(
    data: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(confined_query, "_write_copy")
    joined = (
        "SELECT Events.customer_id FROM events JOIN customers USING (customer_id) JOIN products USING (product_id) "
        "WHERE type = 'add_to_cart'"
    )
    assert ask("SELECT customer_id FROM events WHERE type = 'add_to_cart'", data) == {"c2"}
    assert ask(joined, data) == {"c2"}


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT content AS customer_id FROM read_text('/etc/passwd')", 'Cannot access file "/etc/passwd"'),
        ("SELECT customer_id FROM '/etc/passwd.csv'", 'Cannot access file "/etc/passwd.csv"'),
        ("SELECT file AS customer_id FROM glob('/etc/*')", 'Cannot access file "/etc/*"'),
        ("SELECT customer_id FROM read_parquet('{folder}/other.parquet')", "Cannot access file"),
        ("INSTALL httpfs", "it is not one SELECT"),
        ("LOAD httpfs", "it is not one SELECT"),
        ("SET memory_limit = '64GB'", "it is not one SELECT"),
        ("PRAGMA database_list", "Parser Error"),
        ("ATTACH '{folder}/x.db'", "it is not one SELECT"),
        ("COPY customers TO '{folder}/x.csv'", "it is not one SELECT"),
        ("SELECT 'c1' AS customer_id; SET memory_limit = '64GB'", "it is not one SELECT"),
        ("SELECT 'c1' AS customer_id) AS a) TO '{folder}/x'; SELECT ((('c1'", "Parser Error"),
        ("SELECT getenv('HOME') AS customer_id", "Scalar Function with name getenv does not exist"),
        ("SELECT customer_id FROM postgres_scan('host=x', 'a', 'b')", "Catalog Error"),
    ],
)
def test_the_database_alone_refuses_what_is_no_select_over_the_tables(tmp_path: Path, sql: str, reason: str) -> None:
    """`check_query` refuses these as they are read; if it ever misses one, the database holds."""
    (tmp_path / "other.parquet").touch()
    request = {
        "query": sql.format(folder=tmp_path), "views": ["CREATE VIEW customers AS SELECT 'c1' AS customer_id"],
        "paths": [], "seconds": 20, "answer": f"{tmp_path}/answer.parquet", "spill": f"{tmp_path}/spill",
    }  # fmt: skip
    try:
        said = answer(request)["error"]
    except Exception as error:
        said = str(error)
    assert reason in said
    assert [path.name for path in tmp_path.iterdir()] == ["other.parquet"]


def test_settings_are_locked_while_the_query_runs(tmp_path: Path) -> None:
    locked = "SELECT value AS customer_id FROM duckdb_settings() WHERE name = 'lock_configuration'"
    request = {
        "query": locked, "views": ["CREATE VIEW customers AS SELECT 'true' AS customer_id"],
        "paths": [], "seconds": 20, "answer": f"{tmp_path}/answer.parquet", "spill": f"{tmp_path}/spill",
    }  # fmt: skip
    assert answer(request) == {"type": "VARCHAR"}
    assert pl.read_parquet(tmp_path / "answer.parquet")["customer_id"].to_list() == ["true"]


def test_an_endless_query_ends_and_its_error_names_the_condition_and_its_place(
    data: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named_condition, "ask_customers", partial(ask_customers, seconds=1))
    rule = NamedCondition(NamedQuery(condition="loyal", query=WrittenQuery(ENDLESS, "config.yaml:12")))
    with pytest.raises(ConfigurationError) as caught:
        rule.matching(data)
    assert str(caught.value) == ("the SQL of condition 'loyal' (config.yaml:12) fails: it takes longer than 1 second")


def test_a_query_that_needs_too_much_memory_ends(data: Snapshot) -> None:
    with pytest.raises(QueryError, match=r"^it needs more than 2 GB of memory, or 4GB on disk$"):
        ask(LARGE, data)


def test_ids_that_no_customer_has_are_left_out(data: Snapshot) -> None:
    many = "SELECT customer_id FROM (SELECT unnest(generate_series(1, 100000))::VARCHAR AS customer_id) AS n"
    assert ask(f"{many} UNION ALL SELECT 'c1' UNION ALL SELECT 'c1'", data) == {"c1"}


def test_what_is_run_is_what_was_read() -> None:
    """DuckDB gets the text of the tree that was checked, so that no two parsers can disagree."""
    tree = parse_query("SELECT customer_id /* ; DROP */ FROM customers -- FROM 'x.csv'\n")
    assert isinstance(tree, exp.Query)
    assert sqlglot.parse_one(tree.sql("duckdb"), read="duckdb") == tree
