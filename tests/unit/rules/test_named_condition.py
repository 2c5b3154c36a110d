"""An admin's SQL: what is refused as it is read, and whom it selects."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from automation.errors import ConfigurationError
from automation.rules.named_condition import NamedCondition, NamedConditionOptions, NamedQuery
from automation.testing.rule import check_rule
from automation.testing.toy_shop import toy_snapshot
from automation.types.query import WrittenQuery, check_query

TOY = toy_snapshot()


def written(sql: str) -> NamedQuery:
    return NamedQuery(condition="x", query=WrittenQuery(sql, "config.yaml:12"))


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("", "it begins with 'nothing'; write one SELECT"),
        ("DROP TABLE customers", "it begins with 'DROP'; write one SELECT"),
        ("COPY customers TO 'x.csv'", "it begins with 'COPY'; write one SELECT"),
        ("ATTACH 'x.db'", "it begins with 'ATTACH'; write one SELECT"),
        ("SELECT customer_id FROM customers; DROP TABLE customers", "it has 2 statements; write one SELECT"),
        ("SELECT customer_id FROM (customers", "it is not SQL: Expecting ). Line 1, Col: 34."),
        ("SELECT customer_id INTO copied FROM customers", "INTO is not allowed; write one SELECT"),
        (
            "WITH gone AS (DELETE FROM events RETURNING customer_id) SELECT customer_id FROM gone",
            "DELETE is not allowed; write one SELECT",
        ),
        (
            "SELECT customer_id FROM read_csv('/etc/passwd')",
            "READ_CSV('/etc/passwd') can't be read; there are customers, products, events",
        ),
        ("SELECT customer_id FROM glob('*')", "GLOB('*') can't be read; there are customers, products, events"),
        ("SELECT customer_id FROM 'a.parquet'", '"a.parquet" can\'t be read; there are customers, products, events'),
        (
            "SELECT customer_id FROM information_schema.tables",
            "information_schema.tables can't be read; there are customers, products, events",
        ),
        (
            "SELECT customer_id FROM customers WHERE (SELECT count(*) FROM read_blob('x')) > 1",
            "READ_BLOB('x') can't be read; there are customers, products, events",
        ),
        (
            "WITH events AS (SELECT 1) SELECT customer_id FROM events",
            "events is a table of the warehouse; give the WITH another name",
        ),
        ("SELECT getenv('HOME') AS customer_id", "the function GETENV is not allowed"),
        ("SELECT current_user AS customer_id", "the function CURRENT_USER is not allowed"),
        ("SELECT customer_id FROM customers WHERE random() < 0.5", "the function RAND is not allowed"),
        (
            "SELECT customer_id FROM events WHERE occurred_at > now() - INTERVAL 1 DAY",
            "NOW reads the clock; :as_of is the instant of the audience",
        ),
        (
            "SELECT customer_id FROM events WHERE occurred_at > :since",
            "$since is not known; :as_of is the instant of the audience",
        ),
        (
            "SELECT customer_id FROM customers TABLESAMPLE 10%",
            "TABLESAMPLE SYSTEM (10 PERCENT) is a different set each time; write sample: 10% in the campaign",
        ),
        ("SELECT customer_id FROM (DESCRIBE customers)", "DESCRIBE is not allowed; write one SELECT"),
        ("SELECT customer_id FROM (SUMMARIZE customers)", "SUMMARIZE is not allowed; write one SELECT"),
        ("SELECT customer_id FROM customers FOR UPDATE", "LOCK is not allowed; write one SELECT"),
        (
            "SELECT customer_id FROM customers AT (VERSION => 1)",
            "customers AT (VERSION => 1) is of another time; :as_of is the instant of the audience",
        ),
        (
            "SELECT usename AS customer_id FROM pg_shadow WHERE EXISTS (WITH pg_shadow AS (SELECT 1 AS x) SELECT x)",
            "pg_shadow can't be read; there are customers, products, events",
        ),
        (
            "WITH a AS (SELECT customer_id FROM b), b AS (SELECT customer_id FROM customers) SELECT customer_id FROM a",
            "b can't be read; there are customers, products, events",
        ),
        (
            "WITH a AS (SELECT customer_id FROM a) SELECT customer_id FROM a",
            "a can't be read; there are customers, products, events",
        ),
        (
            "SELECT customer_id FROM (WITH a AS (SELECT customer_id FROM customers) SELECT customer_id FROM a) "
            "UNION SELECT customer_id FROM a",
            "a can't be read; there are customers, products, events",
        ),
        (
            "WITH Events AS (SELECT 1 AS customer_id) SELECT customer_id FROM events",
            "Events is a table of the warehouse; give the WITH another name",
        ),
        ("SELECT " + "(" * 3000 + "1" + ")" * 3000 + " AS customer_id", "its brackets are nested too deeply"),
        (f"SELECT {'1+' * 10_000}1 AS customer_id", "it has 20,023 letters; at most 20,000 are allowed"),
        ("SELECT * FROM customers", "it must select customer_id alone; it selects *"),
        (
            "SELECT customer_id, country FROM customers",
            "it must select customer_id alone; it selects customer_id, country",
        ),
    ],
)
def test_what_is_not_one_select_over_the_three_tables_is_refused(sql: str, text: str) -> None:
    with pytest.raises(ValueError, match=rf"^{re.escape(text)}"):
        check_query(sql)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT customer_id FROM customers WHERE tier = 'gold'", {"c1", "c3"}),
        ("SELECT customer_id FROM events WHERE type = 'purchase' GROUP BY 1 HAVING sum(amount) > 50", {"c3"}),
        (
            "WITH late AS (SELECT * FROM events WHERE occurred_at >= :as_of - INTERVAL 10 DAY) "
            "SELECT late.customer_id FROM late WHERE type = 'purchase'",
            set(),
        ),
        (
            "SELECT customer_id FROM events WHERE type = 'purchase' AND occurred_at > :as_of - INTERVAL 11 DAY",
            {"c1"},
        ),
        (
            "SELECT e.customer_id FROM events e JOIN products USING (product_id) "
            "WHERE e.type = 'view' AND products.brand = 'Clay'",
            {"c1"},
        ),
        (
            "SELECT customer_id FROM customers WHERE tier = 'gold' "
            "UNION SELECT customer_id FROM events WHERE type = 'add_to_cart'",
            {"c1", "c2", "c3"},
        ),
        (
            "WITH snapshot_events AS (SELECT 'c8' AS customer_id, 'purchase' AS type) "
            "SELECT Events.customer_id FROM Events WHERE type = 'add_to_cart'",
            {"c2"},
        ),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3), "
            "named AS (SELECT 'c' || i AS customer_id FROM n) SELECT customer_id FROM named UNION SELECT 'c9'",
            {"c1", "c2", "c3"},
        ),
        ("SELECT customer_id FROM (VALUES (NULL::VARCHAR), ('c1'), ('c1')) AS t(customer_id)", {"c1"}),
    ],
)
def test_it_selects_whom_it_says(sql: str, expected: set[str]) -> None:
    found = NamedCondition(written(sql)).matching(TOY).to_polars()

    assert found.columns == ["customer_id"]
    assert sorted(found["customer_id"].to_list()) == sorted(expected)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (NamedConditionOptions(condition="x"), "config.yaml has no condition 'x'"),
        (
            written("SELECT nobody AS customer_id FROM customers"),
            "the SQL of condition 'x' (config.yaml:12) fails: Binder Error: Referenced column",
        ),
        (
            written("SELECT 1 AS customer_id FROM customers"),
            "condition 'x' (config.yaml:12) returns customer_id as INTEGER, not as text; "
            "write CAST(… AS VARCHAR) AS customer_id",
        ),
    ],
)
def test_what_the_database_cannot_answer_is_said(options: Any, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        NamedCondition(options).matching(TOY)

    assert str(caught.value).startswith(text)


class Resolved(NamedCondition):
    """The rule as config hands it over: with the SQL of its name."""

    __module__ = NamedCondition.__module__  # this one imports a toy shop, which a rule's module must not
    Options: ClassVar[type[BaseModel]] = NamedQuery


def test_it_keeps_the_contract_of_a_rule() -> None:
    espresso = "SELECT customer_id FROM events WHERE product_id = 'p3' AND type = 'purchase' AND occurred_at < :as_of"
    query = {"sql": espresso, "place": "config.yaml:12"}
    check_rule(Resolved, {"condition": "espresso", "query": query}, expected={"c3", "c4"})
