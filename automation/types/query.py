"""Checks a condition in SQL: one SELECT over customers, products and events, and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

TABLES = ("customers", "products", "events")
AS_OF = "as_of"
DIALECT = "duckdb"
LONGEST = 20_000
"""Letters of a query."""
_FIRST = re.compile(r"\s*(?:\(\s*)*(SELECT|WITH|FROM|VALUES)\b", re.IGNORECASE)
_CLOCK = re.compile(r"(CURRENT_(DATE|TIME|TIMESTAMP|DATETIME)|LOCALTIME|UTC_|SYSDATE|SYSTIMESTAMP|NOW$|TODAY$)")
_OUTSIDE = re.compile(r"(READ_|CURRENT_|SESSION_|VERSION|RAND|UUID|NEXT_VALUE|OPEN_|SCHEMA)")
_HARMLESS = frozenset({"EPOCH", "LIST_CONTAINS", "LIST_DISTINCT", "MEDIAN", "QUANTILE_CONT", "STRLEN"})


@dataclass(frozen=True)
class WrittenQuery:
    """A query of config.yaml, and where it is written: `config.yaml:12`."""

    sql: str
    place: str


def check_query(text: str) -> str:
    """The text, if it is one SELECT of `customer_id` that reads only the three tables. Raises ValueError.

    What reads files, settings or the clock is refused: an audience depends on the data alone. `:as_of` stands for the
    instant of the audience.
    """
    tree = parse_query(text)
    _check_statements(tree)
    _check_tables(tree)
    _check_functions(tree)
    if tree.named_selects != ["customer_id"]:
        selected = ", ".join(tree.named_selects) or "nothing"
        raise ValueError(f"it must select customer_id alone; it selects {selected}")
    return text


def parse_query(text: str) -> exp.Query:
    """The statement as a tree. Raises ValueError."""
    import sqlglot
    from sqlglot import exp

    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text):,} letters; at most {LONGEST:,} are allowed")
    if not _FIRST.match(text):
        raise ValueError(f"it begins with {(text.split() or ['nothing'])[0]!r}; write one SELECT")
    try:
        found = [statement for statement in sqlglot.parse(text, read=DIALECT) if statement is not None]
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(f"it is not SQL: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise ValueError("its brackets are nested too deeply") from error
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} statements; write one SELECT")
    if not isinstance(found[0], exp.Query):
        raise ValueError(f"{found[0].key.upper()} is not allowed; write one SELECT")
    return found[0]


def _check_statements(tree: exp.Query) -> None:
    from sqlglot import exp

    meta = (exp.Describe, exp.Summarize, exp.Show, exp.Set, exp.Use, exp.Lock)
    for node in tree.find_all(exp.DDL, exp.DML, exp.Command, exp.Into, exp.Pragma, exp.Copy, exp.Attach, *meta):
        if not isinstance(node, exp.Query):
            raise ValueError(f"{node.key.upper()} is not allowed; write one SELECT")
    for parameter in tree.find_all(exp.Placeholder, exp.Parameter):
        if parameter.name != AS_OF:
            raise ValueError(f"{parameter.sql(DIALECT)} is not known; :{AS_OF} is the instant of the audience")


def _check_tables(tree: exp.Query) -> None:
    from sqlglot import exp

    for cte in tree.find_all(exp.CTE):
        if cte.alias.casefold() in TABLES:
            raise ValueError(f"{cte.alias} is a table of the warehouse; give the WITH another name")
    for table in _outer_tables(tree):
        plain = isinstance(table.this, exp.Identifier) and not table.db and not table.catalog
        if not plain or table.name.casefold() not in TABLES:
            raise ValueError(f"{table.sql(DIALECT)} can't be read; there are {', '.join(TABLES)}")
        if table.args.get("when"):
            raise ValueError(f"{table.sql(DIALECT)} is of another time; :{AS_OF} is the instant of the audience")


def _outer_tables(tree: exp.Query) -> list[exp.Table]:
    """The tables that no WITH of the query makes."""
    from sqlglot import exp

    return [table for table in tree.find_all(exp.Table) if not _is_made(table)]


def _is_made(table: exp.Table) -> bool:
    """Whether the table is one that a WITH around it makes: each knows those before it, and itself if recursive."""
    from sqlglot import exp

    node: exp.Expr = table
    visible: list[exp.Expr] = []
    while (above := node.parent) is not None:
        if isinstance(above, exp.With):
            place = above.expressions.index(node)
            visible += above.expressions[: place + 1 if above.recursive else place]
        elif (made := above.args.get("with_")) is not None and made is not node:
            visible += made.expressions
        node = above
    plain = isinstance(table.this, exp.Identifier) and not table.db
    return plain and table.name.casefold() in {cte.alias.casefold() for cte in visible}


def tables_named(tree: exp.Query) -> frozenset[str]:
    """The tables of the warehouse that a checked query reads."""
    return frozenset(table.name.casefold() for table in _outer_tables(tree))


def name_tables(tree: exp.Query) -> tuple[exp.Query, dict[str, str]]:
    """The query with other names for the warehouse's tables, which nothing else in it has; and these names."""
    from sqlglot import exp

    tree = tree.copy()
    taken = {name.name.casefold() for name in tree.find_all(exp.Identifier)}
    prefix = "snapshot_"
    while any(name.startswith(prefix) for name in taken):
        prefix += "_"
    for table in _outer_tables(tree):
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
        table.set("this", exp.to_identifier(f"{prefix}{table.name.casefold()}"))
    return tree, {name: f"{prefix}{name}" for name in TABLES}


def fill_instant(tree: exp.Query, as_of: datetime) -> exp.Query:
    """The query with the instant for `:as_of`."""
    import sqlglot
    from sqlglot import exp

    tree = tree.copy()
    instant = f"CAST('{as_of.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00:00' AS TIMESTAMPTZ)"
    for parameter in list(tree.find_all(exp.Placeholder, exp.Parameter)):
        parameter.replace(sqlglot.parse_one(instant, read=DIALECT))
    return tree


def has_recursion(tree: exp.Query) -> bool:
    """Whether a WITH of the query may refer to itself."""
    from sqlglot import exp

    return any(made.recursive for made in tree.find_all(exp.With))


def _check_functions(tree: exp.Query) -> None:
    from sqlglot import exp

    if sample := tree.find(exp.TableSample):
        what = sample.sql(DIALECT).strip()
        raise ValueError(f"{what} is a different set each time; write sample: 10% in the campaign")
    for function in tree.find_all(exp.Func):
        name = function.name.upper() if isinstance(function, exp.Anonymous) else function.sql_name()
        if _CLOCK.match(name):
            raise ValueError(f"{name} reads the clock; :{AS_OF} is the instant of the audience")
        unknown = isinstance(function, exp.Anonymous) and name not in _HARMLESS
        if unknown or _OUTSIDE.match(name):
            raise ValueError(f"the function {name} is not allowed")
