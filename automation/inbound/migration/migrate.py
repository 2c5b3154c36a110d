"""Imports another tool's export: suppressions, consents with their proof, recent sends. Repeating changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path

import polars as pl
from sqlalchemy.engine import Connection

from automation.clock import monotonic, to_millis
from automation.errors import ConfigurationError
from automation.ids import content_hash
from automation.inbound.consents import accept_consents
from automation.inbound.migration.rows import ROWS, ShopContext, read_rows
from automation.inbound.shop_import import quarantine_file
from automation.store.ledger import earlier_sends
from automation.store.people import migration, suppressions
from automation.store.people.consent import CONSENT_COLUMNS
from automation.types.address import normalised
from automation.types.schema import MigrationTable
from automation.warehouse.importing.file_reader import FileReader, open_source, read_frames
from automation.warehouse.importing.lookups import lookups
from automation.warehouse.importing.mapping import MappingFile
from automation.warehouse.importing.quarantine import Quarantine
from automation.warehouse.importing.table_mapping import TableMapping
from automation.workspace.channels import channel_kinds
from automation.workspace.workspace import Workspace

_SLICE = 5_000
_UNKNOWN_ADDRESS = "no customer has this address: import customers first, then this file again"


@dataclass
class MigrationReport:
    """What became of the rows: each is used, left out by the mapping, or quarantined."""

    what: MigrationTable
    lines: int = 0
    used: int = 0
    added: int = 0
    pending: int = 0
    left_out: int = 0
    quarantined: int = 0
    quarantine_file: Path | None = None
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Import:
    workspace: Workspace
    table: MigrationTable
    shop: ShopContext
    topics: Sequence[str]
    by: str
    confirmed: bool
    people: pl.DataFrame  # customer_id, address, position among those with the address


def import_export(
    workspace: Workspace,
    table: MigrationTable,
    path: Path,
    mapping: MappingFile,
    *,
    by: str,
    topics: Sequence[str] = (),
    confirmed: bool = False,
    progress: Callable[[int], None] = lambda _lines: None,
) -> MigrationReport:
    """Read the file and record its rows.

    topics: for rows without a topic; by default every marketing topic. confirmed: consents were confirmed by double
    opt-in in the other tool. Raises `SourceError` and `ConfigurationError`; nothing is changed then.
    """
    started, now = monotonic(), workspace.clock.now()
    task = _prepare(workspace, table, by, topics, confirmed)
    report = MigrationReport(table)
    with Quarantine(quarantine_file(workspace, table)) as refused:
        for frame, readers in _frames(workspace, path, mapping, table):
            _record(task, frame, readers, path, refused, report)
            progress(report.lines)
    report.quarantine_file = refused.path if refused.written else None
    detail = f"{path.name} by the mapping {mapping.name}"
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    with workspace.store.transaction() as connection:
        migration.record(connection, table, by=by, now=now, detail=detail, sha256=digest, rows=report.used)
    report.seconds = monotonic() - started
    return report


def _prepare(workspace: Workspace, table: MigrationTable, by: str, topics: Sequence[str], confirmed: bool) -> _Import:
    settings = workspace.project.settings
    unknown = [topic for topic in topics if topic not in settings.topics]
    if unknown:
        raise ConfigurationError(f"config.yaml has no topic {unknown[0]!r}; it has: {', '.join(settings.topics)}")
    marketing = [topic for topic, kind in settings.topics.items() if kind == "marketing"]
    if not topics and not marketing:
        raise ConfigurationError("config.yaml has no marketing topic; name the file's topic: --topic NAME")
    shop = ShopContext(channel_kinds(workspace), list(settings.topics), workspace.clock.now())
    people = _people(workspace) if table != "suppressions" else pl.DataFrame()
    return _Import(workspace, table, shop, topics or marketing, by, confirmed, people)


def _people(workspace: Workspace) -> pl.DataFrame:
    """Every customer's addresses, normalised: address, customer_id, position among those who share it."""
    warehouse = workspace.warehouse()
    try:
        table = warehouse.table("customers")
        columns = [name for name in ("email", "phone", "push_token") if name in table.columns]
        known = table.select("customer_id", *columns).to_polars()
    finally:
        warehouse.close()
    parts = [
        known.select("customer_id", normalised(known[name]).alias("address")).drop_nulls("address") for name in columns
    ]
    found = pl.concat(parts) if parts else pl.DataFrame(schema={"customer_id": pl.String, "address": pl.String})
    return found.sort("customer_id").with_columns(pl.int_range(pl.len()).over("address").alias("position"))


def _frames(
    workspace: Workspace, path: Path, mapping: MappingFile, table: MigrationTable
) -> Iterator[tuple[pl.DataFrame, list[FileReader]]]:
    """The file's frames, each with a reader for every mapping that fits its header."""
    source = open_source(workspace.project.registry, path, mapping, table)
    readers: list[FileReader] = []
    for frame in read_frames(source, path, "customers"):
        readers = readers or _readers(workspace, mapping.choose(table, frame.drop("_row").columns, path))
        yield frame, readers


def _readers(workspace: Workspace, mappings: Sequence[TableMapping]) -> list[FileReader]:
    now, warehouse = workspace.clock.now(), workspace.warehouse()
    try:
        return [FileReader(mapping, lookups(warehouse, mapping), now) for mapping in mappings]
    finally:
        warehouse.close()


def _record(
    task: _Import,
    frame: pl.DataFrame,
    readers: Sequence[FileReader],
    path: Path,
    refused: Quarantine,
    report: MigrationReport,
) -> None:
    export = read_rows(frame, readers, task.shop)
    rows, faults = export.rows, export.faults
    if task.table == "consents":
        rows, unknown = _with_customers(task, rows)
        faults = pl.concat([faults, unknown])
    for part in rows.iter_slices(_SLICE):
        with task.workspace.store.transaction() as connection:
            _RECORD[task.table](task, connection, part, report)
    refused.add(path, faults, frame)
    report.lines += frame.height
    report.used += rows["_row"].n_unique()
    report.left_out += export.left_out
    report.quarantined += faults["_row"].n_unique()


def _with_customers(task: _Import, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows for every customer id with the address; a grant by an address that no customer has can't be recorded."""
    by_address = rows.join(task.people, on="address", how="left", suffix="_here", maintain_order="left")
    known = by_address.with_columns(pl.coalesce("customer_id_here", "customer_id").alias("customer_id"))
    unknown = pl.col("customer_id").is_null() & pl.col("granted")
    faults = known.filter(unknown).select(
        "_row",
        pl.lit("row").alias("kind"),
        pl.lit("address").alias("column"),
        pl.lit(_UNKNOWN_ADDRESS).alias("reason"),
        pl.col("address").alias("value"),
    )
    return known.filter(~unknown).select(list(ROWS)), faults


def _record_suppressions(task: _Import, connection: Connection, rows: pl.DataFrame, report: MigrationReport) -> None:
    """A reason of the owner's applies to marketing topics, a fault of the address to every topic."""
    own = pl.col("reason").is_in(sorted(suppressions.OWNER_REASONS))
    with_topic = pl.when(pl.col("topic").is_not_null()).then(pl.concat_list("topic"))
    listed = rows.with_columns(
        pl.col("reason").fill_null("imported"), pl.col("at").fill_null(to_millis(task.shop.now)),
        with_topic.when(own).then(pl.lit(list(task.topics))).otherwise(pl.lit([""])).alias("topic"),
        pl.concat_str(pl.lit("import: "), pl.col("source").fill_null(task.by)).alias("source"),
    ).explode("topic")  # fmt: skip
    names = ("address", "channel", "topic", "reason", "at", "source")
    report.added += suppressions.add_rows(connection, listed.select(names).rows(), renew=False)


def _record_consents(task: _Import, connection: Connection, rows: pl.DataFrame, report: MigrationReport) -> None:
    records = rows.with_columns(
        pl.when(pl.col("topic").is_not_null()).then(pl.concat_list("topic")).otherwise(pl.lit(list(task.topics)))
        .alias("topic"),
        pl.col("at").fill_null(to_millis(task.shop.now)),
        pl.col("source").fill_null("import"),
        pl.col("text_version").fill_null(""),
        pl.concat_str(pl.lit("imported"), pl.lit(", confirmed there") if task.confirmed else pl.lit(""),
                      pl.lit(": ") + pl.col("method"), ignore_nulls=True).alias("method"),
    ).explode("topic")  # fmt: skip
    report.added += _suppress_refused(connection, records.filter(pl.col("customer_id").is_null()))
    own = records.filter(pl.col("customer_id").is_not_null()).select(list(CONSENT_COLUMNS))
    settings, now = task.workspace.project.settings, task.shop.now
    counts = accept_consents(settings, connection, own, by=task.by, now=now, confirmed=task.confirmed)
    report.added += counts.recorded
    report.pending += counts.pending


def _suppress_refused(connection: Connection, rows: pl.DataFrame) -> int:
    """Suppress addresses that said no and that no customer has yet."""
    listed = rows.with_columns(pl.lit("refused").alias("reason"))
    names = ("address", "channel", "topic", "reason", "at", "source")
    return suppressions.add_rows(connection, listed.select(names).rows())


def _record_sends(task: _Import, connection: Connection, rows: pl.DataFrame, report: MigrationReport) -> None:
    """Recent sends, so that caps and re-entry count them: under the first customer id with the address."""
    first = task.people.filter(pl.col("position") == 0)
    sent = (
        rows.join(first, on="address", how="left", suffix="_here", maintain_order="left")
        .with_columns(
            pl.coalesce("customer_id_here", "customer_id").fill_null("").alias("customer_id"),
            pl.col("address").fill_null("").alias("recipient"),
            pl.col("topic").fill_null(task.topics[0]),
            pl.col("campaign").fill_null(""),
        )
        .with_columns(pl.Series("message_id", _message_ids(rows), dtype=pl.String))
    )
    report.added += earlier_sends.add_sends(connection, sent.select(list(earlier_sends.COLUMNS)))


def _message_ids(rows: pl.DataFrame) -> list[str]:
    """An id that the same send gets at every import."""
    parts = rows.select(pl.col("address", "customer_id", "channel", "campaign").fill_null(""), "at")
    return [f"{earlier_sends.IMPORTED}{content_hash(*map(str, row))[:24]}" for row in parts.iter_rows()]


_RECORD: dict[MigrationTable, Callable[[_Import, Connection, pl.DataFrame, MigrationReport], None]] = {
    "suppressions": _record_suppressions,
    "consents": _record_consents,
    "sends": _record_sends,
}
