"""A shop's own tables on PostgreSQL or Spark: mapped by table and column names, and never written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import ibis

from automation import event_types
from automation.contracts import Snapshot
from automation.errors import AutomationError, ConfigurationError
from automation.fetching import fetch
from automation.types.exchange import Exchange
from automation.types.profile import Lifecycle
from automation.types.schema import TABLES, ColumnType, TableName
from automation.types.shop_warehouse import ShopWarehouse, TablePlace
from automation.warehouse.embedded import Warehouse, open_warehouse
from automation.warehouse.importing.currencies import DIGITS, MONEY
from automation.warehouse.profiles import compute_profiles
from automation.warehouse.profiling.facts import KINDS
from automation.warehouse.profiling.refreshing import RefreshResult

if TYPE_CHECKING:
    import ibis.expr.types as ir

_TYPES: Mapping[ColumnType, str] = {
    "text": "string",
    "number": "float64",
    "integer": "int64",
    "boolean": "boolean",
    "date": "date",
    "time": "timestamp('UTC')",
}


class RemoteWarehouse(Warehouse):
    """Reads the shop's tables on the shop's engine; all other tables are in the project's own folder."""

    def __init__(
        self, own: Warehouse, shop: Any, places: Mapping[TableName, TablePlace], exchange: Exchange | None
    ) -> None:
        super().__init__(own.folder, own.connection)
        self.shop = shop
        self._tables = {
            name: in_shop_currency(shop_table(shop, name, place), name, exchange) for name, place in places.items()
        }

    def snapshot(self, as_of: datetime, **kept: Any) -> Snapshot:
        """The shop's tables as they are now, without rows of `as_of` or later; earlier states can't be restored."""
        ours = super().snapshot(as_of, **kept)
        cut = ibis.literal(as_of)
        tables: dict[str, Any] = {}
        for name, table in self._tables.items():
            known = table.occurred_at if name == "events" else table.created_at
            tables[name] = table.filter(known < cut if name == "events" else known.isnull() | (known < cut))
        version = f"{ours.version} shop={','.join(self._tables)}@{as_of.isoformat()}"
        data = replace(ours, version=version, replayable=False, **tables)
        return replace(data, measure_profiles=cache(partial(self._profiles, data, kept.get("lifecycle"))))

    def _profiles(self, data: Snapshot, lifecycle: Lifecycle | None) -> ir.Table:
        """Computed in the local DuckDB, because engines count days and quantiles differently."""
        wanted = {
            "customers": data.customers.select("customer_id", "timezone"),
            "products": data.products.select("product_id", "category", "brand", "price"),
            "events": data.events.filter(data.events.type.isin(list(KINDS))),
        }
        tables = {
            name: fetch(table, self.connection) if name in self._tables else table for name, table in wanted.items()
        }
        return compute_profiles(**tables, as_of=data.as_of, timezone=data.timezone, lifecycle=lifecycle)

    def table(self, name: TableName) -> ir.Table:
        """A whole table: the shop's, or the one in our folder."""
        return self._tables[name] if name in self._tables else super().table(name)

    def count_unknown(self, parts: Sequence[Path], name: TableName, key: str) -> tuple[int, int]:
        """Not counted for a table of the shop, which is not read for an import."""
        return (0, 0) if name in self._tables else super().count_unknown(parts, name, key)

    def commit(self, staged: Any, transaction: tuple[str, int] | None = None) -> Any:
        """Raises `AutomationError` for a table of the shop, which is read-only here."""
        if staged.table in self._tables and staged.table != "events":
            raise AutomationError(
                f"the table {staged.table} is read from the shop's own warehouse; change it there, "
                f"or remove {staged.table} from warehouse: tables: in config.yaml"
            )
        return super().commit(staged, transaction)

    def refresh_profiles(self, *, timezone: str = "UTC", everybody: bool = False) -> RefreshResult:
        """Do nothing: every snapshot computes the profiles of the shop's own tables."""
        return RefreshResult("nothing", 0)

    def close(self) -> None:
        self.shop.disconnect()
        super().close()


def _kind(dtype: Any) -> ColumnType | None:
    if dtype.is_boolean():
        return "boolean"
    return next((kind for kind, name in _TYPES.items() if dtype.copy(nullable=True) == ibis.dtype(name)), None)


def in_shop_currency(table: ir.Table, name: TableName, exchange: Exchange | None) -> ir.Table:
    """The table with every amount or price that has a rate in the shop's currency; others stay as they are."""
    if exchange is None or not exchange.rates or name not in MONEY:
        return table
    money, column = table[MONEY[name]], MONEY[name]
    rate = table.currency.cases(*exchange.rates.items())
    foreign = rate.notnull() & money.notnull()
    if name == "events":
        foreign &= table.type != event_types.RATING
    return table.mutate(
        **{column: ibis.ifelse(foreign, (money * rate).round(DIGITS), money).cast("float64")},
        currency=ibis.ifelse(foreign, ibis.literal(exchange.currency), table.currency),
    )


def open_shop_warehouse(folder: Path, shop: ShopWarehouse, exchange: Exchange | None = None) -> RemoteWarehouse:
    """Connect to the shop's engine, and open the project's folder. Raises `ConfigurationError`.

    exchange: converts amounts in other currencies that have a rate.
    """
    password = shop.password.get_secret_value() if shop.password else None
    connection, own = connect_shop(shop.url, password), open_warehouse(folder)
    try:
        return RemoteWarehouse(own, connection, shop.places, exchange)
    except BaseException:
        own.close()
        connection.disconnect()
        raise


def connect_shop(url: str, password: str | None) -> Any:
    """The shop's engine as an Ibis backend whose sessions are in UTC. Raises `AutomationError`."""
    return _spark(url) if url.startswith("spark") else _postgres(url, password)


def shop_table(shop: Any, name: TableName, place: TablePlace) -> ir.Table:
    """The shop's table with the declared columns and types; missing columns are null. Raises `ConfigurationError`."""
    found = _find(shop, name, place)
    declared = TABLES[name].columns
    for ours, theirs in place.columns.items():
        if theirs not in found.columns:
            raise ConfigurationError(
                f"warehouse.tables.{name}.columns.{ours}: {place.table} has no column {theirs!r}; "
                f"it has {', '.join(found.columns)}"
            )
    taken = set(place.columns.values())
    theirs_of = {**{column: column for column in found.columns if column not in taken}, **place.columns}
    missing = [column for column in TABLES[name].required if column not in theirs_of and column != "event_id"]
    if missing:
        raise ConfigurationError(
            f"warehouse.tables.{name}: {place.table} has no column {missing[0]!r}; name the shop's column "
            f"under columns:, such as {missing[0]}: {found.columns[0]}"
        )
    further = {column: found[theirs] for column, theirs in theirs_of.items() if column not in declared}
    columns = {
        column: found[theirs_of[column]].cast(_TYPES[kind]) if column in theirs_of else ibis.null(_TYPES[kind])
        for column, kind in declared.items()
    }
    table = found.select(**columns, **further)
    return table.filter(*(table[column].notnull() for column in TABLES[name].required if column in theirs_of))


def _find(shop: Any, name: TableName, place: TablePlace) -> ir.Table:
    *inside, table = place.table.split(".")
    try:
        return shop.table(table, database=tuple(inside) if len(inside) > 1 else (inside[0] if inside else None))
    except ibis.common.exceptions.TableNotFound as error:
        raise ConfigurationError(
            f"warehouse.tables.{name}: there is no table {place.table!r}, or no permission to read it"
        ) from error


def _postgres(url: str, password: str | None) -> Any:
    parts = urlsplit(url)
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    try:
        connection = ibis.postgres.connect(
            host=query.pop("host", None) or parts.hostname,
            port=parts.port or 5432,
            user=unquote(parts.username) if parts.username else None,
            password=password,
            database=parts.path.removeprefix("/") or None,
            **query,
        )
    except ImportError as error:
        raise _lacking("postgres", error) from error
    except Exception as error:
        if not type(error).__module__.startswith("psycopg"):
            raise
        raise AutomationError(f"warehouse.url: {parts.hostname or url}: {str(error).strip()}") from error
    connection.raw_sql("SET TIME ZONE 'UTC'").close()
    return connection


def _spark(url: str) -> Any:
    master = url if url.startswith("spark://") else url.removeprefix("spark:")
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise _lacking("spark", error) from error
    builder = SparkSession.builder.master(master).appName("automation")
    session = builder.config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    return ibis.pyspark.connect(session)


def _lacking(extra: str, error: ImportError) -> ConfigurationError:
    return ConfigurationError(
        f"warehouse.url: {error.name} is not installed; pip install 'marketing-automation-daemon[{extra}]'"
    )
