"""Checks a condition in SQL: one SELECT over customers, products and events, and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

TABLES = ("customers", "products", "events")
AS_OF = "as_of"
DIALECT = "duckdb"
_FIRST = re.compile(r"\s*(?:\(\s*)*(SELECT|WITH|FROM|VALUES)\b", re.IGNORECASE)
_CLOCK = re.compile(r"(CURRENT_(DATE|TIME|TIMESTAMP|DATETIME)|LOCALTIME|UTC_|SYSDATE|SYSTIMESTAMP|NOW$|TODAY$)")
_OUTSIDE = re.compile(r"(READ_|CURRENT_|SESSION_|VERSION|RAND|UUID|NEXT_VALUE|OPEN_|SCHEMA)")
_HARMLESS = frozenset({"EPOCH", "LIST_CONTAINS", "LIST_DISTINCT", "MEDIAN", "QUANTILE_CONT", "STRLEN"})


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

    if not _FIRST.match(text):
        raise ValueError(f"it begins with {(text.split() or ['nothing'])[0]!r}; write one SELECT")
    try:
        found = [statement for statement in sqlglot.parse(text, read=DIALECT) if statement is not None]
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(f"it is not SQL: {str(error).splitlines()[0]}") from error
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} statements; write one SELECT")
    if not isinstance(found[0], exp.Query):
        raise ValueError(f"{found[0].key.upper()} is not allowed; write one SELECT")
    return found[0]


def _check_statements(tree: exp.Query) -> None:
    from sqlglot import exp

    for node in tree.find_all(exp.DDL, exp.DML, exp.Command, exp.Into, exp.Pragma, exp.Copy, exp.Attach):
        if not isinstance(node, exp.Query):
            raise ValueError(f"{node.key.upper()} is not allowed; write one SELECT")
    for parameter in tree.find_all(exp.Placeholder, exp.Parameter):
        if parameter.name != AS_OF:
            raise ValueError(f"{parameter.sql(DIALECT)} is not known; :{AS_OF} is the instant of the audience")


def _check_tables(tree: exp.Query) -> None:
    from sqlglot import exp

    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    if taken := own & set(TABLES):
        raise ValueError(f"{sorted(taken)[0]} is a table of the warehouse; give the WITH another name")
    for table in tree.find_all(exp.Table):
        plain = isinstance(table.this, exp.Identifier) and not table.db and not table.catalog
        if not plain or table.name not in (*TABLES, *own):
            raise ValueError(f"{table.sql(DIALECT)} can't be read; there are {', '.join(TABLES)}")


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
