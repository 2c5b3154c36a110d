"""`condition`: customers selected by a SQL query in config.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BaseModel, Field

from automation.contracts import Options, Snapshot
from automation.errors import ConfigurationError
from automation.rules.confined_query import QueryError, WrongType, ask_customers
from automation.types.grammar import Names
from automation.types.query import TABLES, WrittenQuery, check_query, parse_query

if TYPE_CHECKING:
    import ibis.expr.types as ir


class NamedConditionOptions(Options):
    condition: Annotated[str, Names("conditions")] = Field(min_length=1)

    def resolved(self, queries: Mapping[str, WrittenQuery]) -> NamedQuery:
        """The options with the SQL that config.yaml defines under the name."""
        return NamedQuery(condition=self.condition, query=queries[self.condition])


class NamedQuery(NamedConditionOptions):
    query: WrittenQuery


class NamedCondition:
    """Customers whom a SQL query in config.yaml selects, for what the other rules can't express.

        {condition: big_spenders}

    config.yaml defines it as `conditions: {big_spenders: {sql: "SELECT customer_id FROM events WHERE …"}}`. The query
    is one SELECT of `customer_id` from the tables `customers`, `products` and `events`, in DuckDB's SQL on every
    warehouse. `:as_of` is the audience's instant; all events are before it. Other statements, and functions that read
    files, settings or the clock, are refused. Nulls and repeated ids are left out.

    The query runs in a database of its own that can open nothing but the three tables, for at most 120 seconds and
    with at most 2 GB of memory. On a shop's PostgreSQL it runs in a read-only transaction that ends after 120 seconds,
    on its Spark as a job that is cancelled then, without WITH RECURSIVE.
    """

    key: ClassVar[str] = "condition"
    reads: ClassVar[frozenset[str]] = frozenset(TABLES)
    brings_rows: ClassVar[bool] = True

    Options: ClassVar[type[BaseModel]] = NamedConditionOptions

    def __init__(self, options: NamedConditionOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        """Raises `ConfigurationError` if the database refuses the SQL, or if its customer_id is not a text."""
        import ibis

        if not isinstance(self.options, NamedQuery):
            raise ConfigurationError(f"config.yaml has no condition {self.options.condition!r}")
        query = self.options.query
        named = f"condition {self.options.condition!r} ({query.place})"
        try:
            return ibis.memtable(ask_customers(parse_query(check_query(query.sql)), data))
        except WrongType as error:
            raise ConfigurationError(
                f"{named} returns customer_id as {error}, not as text; write CAST(… AS VARCHAR) AS customer_id"
            ) from error
        except (ValueError, QueryError) as error:
            raise ConfigurationError(f"the SQL of {named} fails: {error}") from error
