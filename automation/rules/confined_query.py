"""Asks one SELECT over the snapshot's tables, which can read nothing else and is bounded in time and memory.

On the embedded warehouse it runs in a process of its own (`query_process`), in a DuckDB that can read the files of the
three tables only. On a shop's PostgreSQL it runs in a read-only transaction with a time limit, on its Spark as a job
that is cancelled; there, memory is the server's to limit.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from automation.contracts import Snapshot
from automation.fetching import read_rows
from automation.ids import new_request_id
from automation.types.plural import format_count
from automation.types.query import fill_instant, has_recursion, name_tables, tables_named

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from sqlglot import exp

TIME_LIMIT = 120
"""Seconds that one query may take."""
_TEXTS = frozenset({25, 1042, 1043})  # PostgreSQL's text, character and character varying
_ESCAPED = re.compile(r"\[([*?\[])\]")
_GROUP_PROPERTIES = ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel")
_GRACE = 30  # for the start of the process, on a machine that is busy


class QueryError(Exception):
    """Why the database did not answer, in words for the author of the query."""


class WrongType(QueryError):
    """customer_id is no text; the error's text is its type."""


def ask_customers(tree: exp.Query, data: Snapshot, *, seconds: int = TIME_LIMIT) -> pa.Table:
    """The customer_id of every customer that the query selects, each once. Raises `QueryError`.

    tree: a query that `check_query` accepts.
    """
    tree = fill_instant(tree, data.as_of)
    names = sorted({"customers", *tables_named(tree)})
    tables = {name: getattr(data, name) for name in names}
    engines = {id(table.get_backend()): table.get_backend() for table in tables.values()}
    engine = next(iter(engines.values())) if len(engines) == 1 else data.connection
    if engine.name == "postgres":
        return _ask_postgres(*_with_tables(tree, tables, engine), engine, seconds)
    if engine.name == "pyspark":
        if has_recursion(tree):
            raise QueryError("WITH RECURSIVE may go on without end, and Spark sets it no limit")
        return _ask_spark(*_with_tables(tree, tables, engine), engine, seconds)
    return _ask_process(tree, tables, data, seconds)


# In a process of its own


def _ask_process(tree: exp.Query, tables: Mapping[str, ir.Table], data: Snapshot, seconds: int) -> pa.Table:
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory(prefix="condition-") as folder:
        views: dict[str, None] = {}
        files: list[str] = []
        for name, table in tables.items():
            found = _find_views(table, data)
            if found is None:
                copy = f"{folder}/{name}.parquet"
                _write_copy(table, copy)
                found = [f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{copy}')"], [copy]  # noqa: S608 (our path)
            else:
                found[0].append(f"CREATE VIEW {name} AS {data.connection.compile(table)}")
            views |= dict.fromkeys(found[0])
            files += found[1]
        paths = [form for file in files for form in (file, _ESCAPED.sub(r"\1", file))]
        places = {"answer": f"{folder}/answer.parquet", "spill": f"{folder}/spill"}
        query = {"query": tree.sql("duckdb"), "views": list(views), "paths": paths, "seconds": seconds}
        answer = _run_process({**query, **places}, seconds)
        if "error" in answer:
            raise QueryError(answer["error"])
        if answer["type"] != "VARCHAR":
            raise WrongType(answer["type"])
        return pq.read_table(places["answer"], memory_map=False)


def _find_views(table: ir.Table, data: Snapshot) -> tuple[list[str], list[str]] | None:
    """The statements of the views that make the table, and their files; None if it is not made of files only."""
    from sqlglot import exp, parse_one

    if table.get_backend() is not data.connection:
        return None
    statements: list[str] = []
    files: list[str] = []
    waiting = [data.connection.compile(table)]
    while waiting:
        for node in parse_one(waiting.pop(), read="duckdb").find_all(exp.Table, exp.ReadParquet):
            if isinstance(node, exp.ReadParquet):
                files += [text.this for text in node.find_all(exp.Literal) if text.this.endswith(".parquet")]
            elif isinstance(node.this, exp.Identifier) and not isinstance(node.parent, exp.Create):
                cursor = data.connection.con.cursor()
                found = cursor.execute(
                    "SELECT sql FROM duckdb_views() WHERE NOT internal AND view_name = $name", {"name": node.name}
                ).fetchone()
                if found is None:
                    return None
                statements.insert(0, found[0])
                waiting.append(found[0])
    return statements, files


def _write_copy(table: ir.Table, path: str) -> None:
    import pyarrow.parquet as pq

    engine = table.get_backend()
    if engine.name == "pyspark":
        pq.write_table(read_rows(table), path)
    else:
        engine.to_parquet(table, path)


def _run_process(request: Mapping[str, Any], seconds: int) -> dict[str, str]:
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ.get("PATH", "")}
    command = [sys.executable, "-P", "-m", "automation.rules.query_process"]
    with subprocess.Popen(  # noqa: S603 (our own module)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        try:
            output, _ = process.communicate(json.dumps(request).encode(), timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise _late(seconds) from error
        finally:
            process.kill()
    if not output:
        raise QueryError("it ended the database's process; it may need too much memory")
    answer: dict[str, str] = json.loads(output)
    return answer


def _late(seconds: int) -> QueryError:
    return QueryError(f"it takes longer than {format_count(seconds, 'second')}")


# On the shop's engine


def _with_tables(tree: exp.Query, tables: Mapping[str, ir.Table], engine: Any) -> tuple[str, str]:
    """The query in the engine's SQL over the snapshot's tables, and the same for the ids of customers only."""
    tree, names = name_tables(tree)
    made = ", ".join(f"{names[name]} AS ({engine.compile(table)})" for name, table in tables.items())
    chosen = f"({tree.sql(engine.dialect)}) AS chosen"
    kind = f"WITH {made} SELECT customer_id FROM {chosen} LIMIT 0"  # noqa: S608 (checked by `check_query`)
    ids = (
        f"WITH {made} SELECT DISTINCT customer_id FROM {chosen} "  # noqa: S608 (checked by `check_query`)
        f"WHERE customer_id IN (SELECT customer_id FROM {names['customers']})"
    )
    return kind, ids


def _ask_postgres(kind: str, ids: str, engine: Any, seconds: int) -> pa.Table:
    import psycopg
    import pyarrow as pa

    connection = engine.con
    try:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = {seconds * 1000}")
            column = cursor.execute(kind).description[0]
            if column.type_code not in _TEXTS:
                raise WrongType(column.type_display)
            found = [row[0] for row in cursor.execute(ids)]
    except psycopg.errors.QueryCanceled as error:
        raise _late(seconds) from error
    except psycopg.Error as error:
        raise QueryError(str(error).splitlines()[0]) from error
    return pa.table({"customer_id": pa.array(found, pa.string())})


def _ask_spark(kind: str, ids: str, engine: Any, seconds: int) -> pa.Table:
    import pyarrow as pa
    from pyspark.errors import PySparkException
    from pyspark.sql.types import StringType

    session, group = engine._session, new_request_id()
    done, late = threading.Event(), threading.Event()

    def cancel() -> None:
        while not done.wait(0.5 if late.is_set() else seconds):  # again for jobs that begin later
            late.set()
            session.sparkContext.cancelJobGroup(group)

    watch = threading.Thread(target=cancel, daemon=True)
    watch.start()
    try:
        with _job_group(session.sparkContext, group):
            column = session.sql(kind).schema[0].dataType
            if not isinstance(column, StringType):
                raise WrongType(column.simpleString())
            found = session.sql(ids).toArrow()
    except Exception as error:
        if late.is_set():  # whatever the cancelled job raised
            raise _late(seconds) from error
        if not isinstance(error, PySparkException):
            raise
        raise QueryError(str(error).splitlines()[0]) from error
    finally:
        done.set()
        watch.join()
    return found.select(["customer_id"]).cast(pa.schema([("customer_id", pa.string())]))


@contextmanager
def _job_group(context: Any, group: str) -> Iterator[None]:
    """Put the jobs of this thread into a group, so that cancelling them leaves others' jobs on the session alone.

    A tag would not do: it does not reach the thread that collects.
    """
    before = {name: context.getLocalProperty(name) for name in _GROUP_PROPERTIES}
    context.setJobGroup(group, "a condition in SQL")
    try:
        yield
    finally:
        for name, value in before.items():
            context.setLocalProperty(name, value)
