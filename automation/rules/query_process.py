"""Runs one SELECT of an admin's in a process of its own: `python -P -m automation.rules.query_process`.

DuckDB's own limits don't hold for every query: sorting a list of 200 million numbers went on for 131 s after an
interrupt and took 18 GB with a limit of 200 MB. Here it ends this process, within limits of time and memory. See
`confined_query`.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Mapping
from typing import Any

import duckdb

MEMORY = 2 << 30
_CACHE = "512MB"  # for tables and intermediate results, beyond which DuckDB writes to disk
_SPILL = "4GB"
_CONFIGURATION: Mapping[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "memory_limit": _CACHE,
    "max_temp_directory_size": _SPILL,
    "threads": 2,
}


def answer(request: Mapping[str, Any]) -> dict[str, str]:
    """The type of the query's customer_id; if that is text, the ids of customers are in the file `answer`.

    request: `views` are statements that make the three tables, `paths` their files as named and as DuckDB's patterns;
    `query` selects `customer_id`; `answer` and `spill` are paths for results.
    """
    with duckdb.connect(config={**_CONFIGURATION, "temp_directory": request["spill"]}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        listed = ", ".join(_quoted(path) for path in (*request["paths"], request["answer"]))
        connection.execute(f"SET allowed_paths = [{listed}]")  # a parameter would import pandas, 0.4 s
        connection.execute("SET enable_external_access = false")
        for view in request["views"]:
            connection.execute(view)
        connection.execute("SET lock_configuration = true")
        query = request["query"]
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            return {"error": "it is not one SELECT"}
        kind = connection.execute(f"DESCRIBE {query}").fetchall()[0][1]
        if kind == "VARCHAR":
            connection.execute(
                f"COPY (SELECT DISTINCT customer_id FROM ({query}) AS chosen "  # noqa: S608 (checked above)
                "WHERE customer_id IN (SELECT customer_id FROM customers)) "
                f"TO {_quoted(request['answer'])} (FORMAT parquet)"
            )
        return {"type": kind}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def main() -> None:
    request = json.load(sys.stdin)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started it ends it,
    signal.alarm(request["seconds"] + 5)  # unless that one ended before
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        found = answer(request)
    except (MemoryError, duckdb.OutOfMemoryException):
        found = {"error": f"it needs more than {MEMORY >> 30} GB of memory, or {_SPILL} on disk"}
    except Exception as error:  # whatever the database raises belongs to the query
        found = {"error": (str(error).splitlines() or [type(error).__name__])[0]}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
