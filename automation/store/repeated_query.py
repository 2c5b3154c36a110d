"""A query that a loop repeats: its result is kept for as long as nobody commits to the store.

SQLite counts the commits of other connections; reading the count takes 10 µs, a query through SQLAlchemy 300 to 500.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sqlalchemy.engine import Connection

from automation.clock import monotonic
from automation.store.engine import Store

_Found = TypeVar("_Found")

LONGEST = 10.0
"""Seconds after which the query is repeated in any case, since its result may depend on the time."""


class RepeatedQuery(Generic[_Found]):
    """One query over one store; not for several threads at once. `close` ends its connection."""

    def __init__(self, store: Store, query: Callable[[Connection], _Found]) -> None:
        self._store = store
        self._query = query
        self._connection: Any = None
        self._kept: tuple[int, float, _Found] | None = None

    def result(self) -> _Found:
        """The query's result now. What the query raises is raised, and nothing is kept."""
        commits = self._count_commits()  # before the query: a commit during it makes the next look ask again
        if self._kept is not None and self._kept[0] == commits and monotonic() - self._kept[1] < LONGEST:
            return self._kept[2]
        self._kept = None
        asked = monotonic()
        with self._store.reading() as connection:
            found = self._query(connection)
        if commits is not None:
            self._kept = (commits, asked, found)
        return found

    def forget(self) -> None:
        """Ask again: what the query depends on beside the store has changed."""
        self._kept = None

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _count_commits(self) -> int | None:
        """A number that changes with every commit of another connection; None where the store is not a file."""
        if self._store.folder is None:
            return None
        if self._connection is None:
            connection = self._store.engine.raw_connection()
            connection.detach()  # the count is this connection's own
            self._connection = connection
        cursor = self._connection.cursor()
        try:
            return int(cursor.execute("PRAGMA data_version").fetchall()[0][0])
        finally:
            cursor.close()
