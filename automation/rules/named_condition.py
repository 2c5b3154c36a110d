"""`condition`: customers selected by a SQL query in config.yaml."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BaseModel, Field

from automation.contracts import Options, Snapshot
from automation.errors import ConfigurationError
from automation.types.grammar import Names
from automation.types.query import AS_OF, DIALECT, TABLES, check_query, parse_query

if TYPE_CHECKING:
    import ibis.expr.types as ir


class NamedConditionOptions(Options):
    condition: Annotated[str, Names("conditions")] = Field(min_length=1)

    def resolved(self, queries: Mapping[str, str]) -> NamedQuery:
        """The options with the SQL that config.yaml defines under the name."""
        return NamedQuery(condition=self.condition, sql=queries[self.condition])


class NamedQuery(NamedConditionOptions):
    sql: str


class NamedCondition:
    """Customers whom a SQL query in config.yaml selects, for what the other rules can't express.

        {condition: big_spenders}

    config.yaml defines it as `conditions: {big_spenders: {sql: "SELECT customer_id FROM events WHERE …"}}`. The query
    is one SELECT of `customer_id` from the tables `customers`, `products` and `events`, in DuckDB's SQL on every
    warehouse. `:as_of` is the audience's instant; all events are before it. Other statements, and functions that read
    files, settings or the clock, are refused. Nulls and repeated ids are left out.
    """

    key: ClassVar[str] = "condition"
    reads: ClassVar[frozenset[str]] = frozenset(TABLES)

    Options: ClassVar[type[BaseModel]] = NamedConditionOptions

    def __init__(self, options: NamedConditionOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        """Raises `ConfigurationError` if the database refuses the SQL, or if its customer_id is not a text."""
        if not isinstance(self.options, NamedQuery):
            raise ConfigurationError(f"config.yaml has no condition {self.options.condition!r}")
        try:
            found = _ask(_compile(check_query(self.options.sql), data), data)
        except Exception as error:  # any error of the database is an error in the admin's SQL
            reason = str(error).splitlines()[0]
            raise ConfigurationError(f"the SQL of condition {self.options.condition!r} fails: {reason}") from error
        if not found.customer_id.type().is_string():
            kind = found.customer_id.type()
            raise ConfigurationError(
                f"condition {self.options.condition!r} returns customer_id as {kind}, not as text; write "
                "CAST(… AS VARCHAR) AS customer_id"
            )
        return found.filter(found.customer_id.notnull()).distinct()


def _ask(sql: str, data: Snapshot) -> ir.Table:
    backend = data.customers.get_backend()
    with warnings.catch_warnings():
        # ibis 12 calls a function that DuckDB 1.5 has deprecated.
        warnings.filterwarnings("ignore", r"fetch_arrow_table\(\)", DeprecationWarning)
        return backend.sql(sql, dialect=backend.dialect)


def _compile(sql: str, data: Snapshot) -> str:
    """The SELECT over the snapshot's tables, in the SQL dialect of their database."""
    import sqlglot
    from sqlglot import exp

    tree = parse_query(sql)
    instant = f"CAST('{data.as_of.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00:00' AS TIMESTAMPTZ)"
    for parameter in list(tree.find_all(exp.Placeholder, exp.Parameter)):
        if parameter.name == AS_OF:
            parameter.replace(sqlglot.parse_one(instant, read=DIALECT))
    used = [name for name in TABLES if any(table.name == name for table in tree.find_all(exp.Table))]
    for table in list(tree.find_all(exp.Table)):
        if table.name in used:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.alias_or_name)))
            table.set("this", exp.to_identifier(f"snapshot_{table.name}"))
    backend = data.customers.get_backend()
    tables = ", ".join(f"snapshot_{name} AS ({backend.compile(getattr(data, name))})" for name in used)
    chosen = f"SELECT customer_id FROM ({tree.sql(backend.dialect)}) AS chosen"  # noqa: S608 (checked above)
    return f"WITH {tables} {chosen}" if tables else chosen
