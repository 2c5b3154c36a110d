"""The embedded warehouse: Delta tables on disk, queried by DuckDB through Ibis.

Several processes may read while one writes. A writer holds a lock on the folder and ends with one atomic Delta
commit; a reader takes the file list of the version that is newest when it asks, and those files are never changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import ibis
import polars as pl

from automation.contracts import Snapshot
from automation.errors import ConfigurationError
from automation.types.profile import Lifecycle
from automation.types.schema import TABLES, TableName
from automation.types.seen import Seen
from automation.warehouse.importing.staging import Staging, stage
from automation.warehouse.profiles import kept_profiles, profiles
from automation.warehouse.profiling.kept import Built, built
from automation.warehouse.profiling.refreshing import Refreshed, Standing, refresh, usable
from automation.warehouse.seen import seen
from automation.warehouse.tables import TableVersion, select_files, table_version
from automation.warehouse.writing import Change, append, has_transaction, last_transaction, tidy, upsert, writing

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from duckdb import DuckDBPyConnection
    from ibis.backends.duckdb import Backend

DECISIONS = pl.Schema(
    {
        "customer_id": pl.String(),
        "campaign": pl.String(),
        "run_id": pl.String(),
        "outcome": pl.String(),
        "decided_at": pl.Datetime("us", "UTC"),
        "variant": pl.String(),
        "message_id": pl.String(),
    }
)
_UNUSABLE = re.compile(r"[\[\]^|]|%[0-9A-Fa-f]{2}")  # deltalake 1.6 panics or looks elsewhere
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VIEWS_KEPT = 100  # versions of a table, and snapshots, that a long-lived connection can still read
_VIEWS_A_SNAPSHOT = 4


class Warehouse:
    """Customers, products and events in one folder, on one Ibis connection; not to be shared between threads."""

    def __init__(self, folder: Path, connection: Backend) -> None:
        self.folder = folder
        self.connection = connection
        self._views: dict[TableName, dict[int, str]] = {name: {} for name in TABLES}
        self._snapshots: dict[str, None] = {}  # the names of their views, the one longest unused first

    def snapshot(
        self,
        as_of: datetime,
        *,
        decisions: pl.DataFrame | None = None,
        segments: Mapping[str, ir.Table] | None = None,
        timezone: str = "UTC",
        lifecycle: Lifecycle | None = None,
    ) -> Snapshot:
        """Everything strictly before `as_of` in the newest version of every table."""
        versions = self._versions()
        customers, products, events = (self._before(versions[name], as_of) for name in TABLES)
        kept = self._kept_profiles(versions, as_of, timezone)

        def measure_profiles() -> ir.Table:
            if kept is None:
                return profiles(customers, products, events, as_of, timezone=timezone, terms=lifecycle)
            return self._view(kept_profiles(self.connection, self.folder, kept, as_of, lifecycle))

        return Snapshot(
            as_of=as_of,
            version=_version_text(versions),
            replayable=True,
            customers=customers,
            products=products,
            events=events,
            measure_profiles=measure_profiles,
            decisions=ibis.memtable(DECISIONS.to_frame() if decisions is None else decisions.select(DECISIONS.names())),
            segments=MappingProxyType(dict(segments)) if segments is not None else MappingProxyType({}),
            timezone=timezone,
        )

    def table(self, name: TableName) -> ir.Table:
        """A whole table in its newest version."""
        return self._table(table_version(self.folder, name))

    def seen(self) -> Seen:
        """The event types, traits and attributes that there are, for warnings about those that there are not."""
        return seen(self.table("customers"), self.table("products"), self.table("events"))

    def refresh_profiles(self, *, timezone: str = "UTC", anew: bool = False) -> Refreshed:
        """Bring the kept profiles up to the newest versions; `anew` measures everybody again."""
        return refresh(Standing(self.connection, self.folder, self._versions(), timezone), anew=anew)

    def version(self) -> str:
        """Identifies what the tables hold now, such as `customers=3 products=1 events=12`."""
        return _version_text(self._versions())

    def append_events(
        self, frames: pl.DataFrame | Iterable[pl.DataFrame], transaction: tuple[str, int] | None = None
    ) -> Change:
        """Append events whose id is new, as one commit that carries the application transaction.

        A transaction (application, rising number) that the table carries already is not repeated.
        Raises `ContractError`.
        """
        with self.staging("events") as staged:
            for frame in [frames] if isinstance(frames, pl.DataFrame) else frames:
                staged.add(frame)
            return self.commit(staged, transaction)

    def upsert(self, table: TableName, frames: pl.DataFrame | Iterable[pl.DataFrame]) -> Change:
        """Set customers or products by key; unchanged rows are not rewritten. Raises `ContractError`."""
        if table == "events":
            raise ValueError("events are appended, not set by key")
        with self.staging(table) as staged:
            for frame in [frames] if isinstance(frames, pl.DataFrame) else frames:
                staged.add(frame)
            return self.commit(staged)

    def staging(self, table: TableName) -> AbstractContextManager[Staging]:
        """Where rows are gathered, on disk, before they are committed as one change."""
        return stage(self.folder / ".spool", table)

    def commit(self, staged: Staging, transaction: tuple[str, int] | None = None) -> Change:
        """Bring staged rows into their table: events by `append_events`'s rules, others by `upsert`'s."""
        with writing(self.folder), self.cursor() as cursor:
            if staged.table == "events":
                change = append(cursor, self.folder, staged, transaction)
            else:
                change = upsert(cursor, self.folder, staged)
            tidy(self.folder, staged.table)
            return change

    def last_transaction(self, app_id: str) -> int | None:
        """The highest transaction number that the events table carries of this application."""
        return last_transaction(self.folder, app_id)

    def has_transaction(self, app_id: str, version: int) -> bool:
        """Whether the events table carries this application's transaction; numbers only ever rise."""
        return has_transaction(self.folder, app_id, version)

    def cursor(self) -> DuckDBPyConnection:
        """A connection of its own to the same database, in UTC."""
        cursor: DuckDBPyConnection = self.connection.con.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        return cursor

    def close(self) -> None:
        self.connection.disconnect()

    def _kept_profiles(
        self, versions: Mapping[TableName, TableVersion], as_of: datetime, timezone: str
    ) -> Built | None:
        """None where they aren't of these versions, or hold anything that is not before `as_of`."""
        found = built(self.folder)
        if found is None or not usable(found, Standing(self.connection, self.folder, versions, timezone)):
            return None
        return found if found.latest < (as_of - _EPOCH) // timedelta(microseconds=1) else None

    def _versions(self) -> dict[TableName, TableVersion]:
        return {name: table_version(self.folder, name) for name in TABLES}

    def _before(self, version: TableVersion, as_of: datetime) -> ir.Table:
        """The rows that were there before the instant: the table itself, where the log says that all of them were."""
        rows = self._table(version)
        if version.newest is not None and version.newest < as_of:
            return rows
        if version.name == "events":
            return self._view(rows.filter(rows.occurred_at < ibis.literal(as_of)))
        return self._view(rows.filter(rows.created_at.isnull() | (rows.created_at < ibis.literal(as_of))))

    def _view(self, rows: ir.Table) -> ir.Table:
        """The rows under a name of their own: up to 60 ms less to compile for each query that would spell them out."""
        sql = self.connection.compile(rows)
        name = f"seen_{sha256(sql.encode()).hexdigest()[:16]}"
        if name not in self._snapshots:
            self.connection.raw_sql(f"CREATE OR REPLACE VIEW {name} AS {sql}")
        self._snapshots.pop(name, None)
        self._snapshots[name] = None
        if len(self._snapshots) > _VIEWS_KEPT * _VIEWS_A_SNAPSHOT:
            oldest = next(iter(self._snapshots))
            self.connection.drop_view(oldest)
            del self._snapshots[oldest]
        return self.connection.table(name)

    def _table(self, version: TableVersion) -> ir.Table:
        views = self._views[version.name]
        if version.number not in views:
            name = f"{version.name}_{version.number}" if version.number >= 0 else f"{version.name}_empty"
            self.connection.raw_sql(f"CREATE OR REPLACE VIEW {name} AS {select_files(version)}")
            views[version.number] = name
            if len(views) > _VIEWS_KEPT:
                self.connection.drop_view(views.pop(next(iter(views))))
        return self.connection.table(views[version.number])


def open_warehouse(folder: Path, *, memory_limit: str = "384MB", threads: int = 2) -> Warehouse:
    """Open the warehouse in `folder`, which need not exist yet; what doesn't fit in `memory_limit` spills below it."""
    if unusable := _UNUSABLE.search(str(folder.absolute())):
        raise ConfigurationError(
            f"{folder}: Delta tables can't lie in a folder whose path has {unusable[0]!r}; move it"
        )
    connection = ibis.duckdb.connect(
        memory_limit=memory_limit,
        threads=threads,
        temp_directory=str(folder / ".spill"),
        autoinstall_known_extensions=False,
        preserve_insertion_order=True,
    )
    connection.raw_sql("SET enable_progress_bar = false")  # on by itself where DuckDB takes a process for a person's
    return Warehouse(folder, connection)


def _version_text(versions: Mapping[TableName, TableVersion]) -> str:
    return " ".join(f"{name}={version.number}" for name, version in versions.items())
