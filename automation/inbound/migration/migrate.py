"""Takes another sender's export over: suppressions, consents with proof, recent sends. Repeating changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy.engine import Connection

from automation.clock import monotonic, to_millis
from automation.contracts.answers import check_rows
from automation.errors import ConfigurationError, SourceError
from automation.ids import content_hash
from automation.inbound.consents import accept_consents
from automation.inbound.migration import rows as reading
from automation.inbound.migration.mapping import Chosen, Kind, MigrationMapping, choose
from automation.inbound.migration.rows import ShopContext
from automation.store.ledger import earlier_sends
from automation.store.people import migration, suppressions
from automation.store.people.consent import CONSENT_COLUMNS
from automation.types.address import normalised
from automation.warehouse.importing.quarantine import Quarantine
from automation.warehouse.importing.typed import all_text
from automation.workspace.channels import channel_kinds
from automation.workspace.workspace import Workspace

_SLICE = 5_000
_NOBODY = "no customer has this address: import customers first, then this file again"


@dataclass
class MigrationReport:
    """What became of the rows: each is used, left out by the mapping, or quarantined."""

    what: Kind
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
class _Migration:
    workspace: Workspace
    kind: Kind
    shop: ShopContext
    topics: Sequence[str]
    by: str
    confirmed: bool
    people: pl.DataFrame  # customer_id, address, position among those with the address


def import_file(
    workspace: Workspace,
    kind: Kind,
    path: Path,
    mapping: MigrationMapping,
    *,
    by: str,
    topics: Sequence[str] = (),
    confirmed: bool = False,
    progress: Callable[[int], None] = lambda _lines: None,
) -> MigrationReport:
    """Read the file and keep what it says.

    topics: what rows without a topic are about; by default every marketing topic. confirmed: consents were confirmed by
    double opt-in where they come from. Raises `SourceError` and `ConfigurationError`; nothing is changed then.
    """
    started, now = monotonic(), workspace.clock.now()
    job = _open_migration(workspace, kind, by, topics, confirmed)
    report = MigrationReport(kind)
    quarantine = workspace.project.data_dir / "quarantine" / f"{now:%Y%m%dT%H%M%S}-{kind}.csv"
    with Quarantine(quarantine) as refused:
        for raw, chosen in _frames(workspace, path, mapping, kind):
            _take(job, raw, chosen, path, refused, report)
            progress(report.lines)
    report.quarantine_file = quarantine if refused.written else None
    with workspace.store.transaction() as connection:
        detail = f"{path.name} by the mapping {mapping.name}"
        digest = sha256(path.read_bytes()).hexdigest()
        migration.record(connection, kind, by=by, now=now, detail=detail, sha256=digest, rows=report.used)
    report.seconds = monotonic() - started
    return report


def _open_migration(workspace: Workspace, kind: Kind, by: str, topics: Sequence[str], confirmed: bool) -> _Migration:
    settings = workspace.project.settings
    unknown = [topic for topic in topics if topic not in settings.topics]
    if unknown:
        raise ConfigurationError(f"config.yaml has no topic {unknown[0]!r}; it has: {', '.join(settings.topics)}")
    marketing = [topic for topic, kind_ in settings.topics.items() if kind_ == "marketing"]
    if not topics and not marketing:
        raise ConfigurationError("config.yaml has no marketing topic; say what the file is about: --topic NAME")
    shop = ShopContext(channel_kinds(workspace), list(settings.topics), settings.shop.timezone, workspace.clock.now())
    people = _people(workspace) if kind != "suppressions" else pl.DataFrame()
    return _Migration(workspace, kind, shop, topics or marketing, by, confirmed, people)


def _people(workspace: Workspace) -> pl.DataFrame:
    """Every customer's addresses, as they are compared: address, customer_id, position among those who share it."""
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
    workspace: Workspace, path: Path, mapping: MigrationMapping, kind: Kind
) -> Iterator[tuple[pl.DataFrame, Chosen]]:
    """The file's frames as text, with the entries that fit its header."""
    registry = workspace.project.registry
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    for name in registry.names("sources"):
        source: Any = registry.find("sources", name)
        if plain.suffix.lower() in source.suffixes:
            for frame in source(source.Options()).read(path, "customers"):
                check_rows(frame, f"source {name}")
                columns = [column for column in frame.columns if column != "_row"]
                yield all_text(frame), choose(mapping, kind, columns, path)
            return
    raise SourceError(path, None, "no source reads files of this kind; write it as .csv")


def _take(
    job: _Migration, raw: pl.DataFrame, chosen: Chosen, path: Path, refused: Quarantine, report: MigrationReport
) -> None:
    found = reading.read(raw, chosen, job.kind, job.shop)
    rows, faults = found.rows, found.faults
    if job.kind == "consents":
        rows, strangers = _of_customers(job, rows)
        faults = pl.concat([faults, strangers])
    for part in rows.iter_slices(_SLICE):
        with job.workspace.store.transaction() as connection:
            _WRITE[job.kind](job, connection, part, report)
    refused.add(path, faults, raw)
    report.lines += raw.height
    report.used += rows["_row"].n_unique()
    report.left_out += found.left_out
    report.quarantined += faults["_row"].n_unique()


def _of_customers(job: _Migration, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows under every customer id that has the address; a yes of an address that nobody has can't be kept."""
    by_address = rows.join(job.people, on="address", how="left", suffix="_here", maintain_order="left")
    known = by_address.with_columns(pl.coalesce("customer_id_here", "customer_id").alias("customer_id"))
    stranger = pl.col("customer_id").is_null() & pl.col("granted")
    faults = known.filter(stranger).select(
        "_row",
        pl.lit("row").alias("kind"),
        pl.lit("address").alias("column"),
        pl.lit(_NOBODY).alias("reason"),
        pl.col("address").alias("value"),
    )
    return known.filter(~stranger).select(list(reading.ROWS)), faults


def _suppressions(job: _Migration, connection: Connection, rows: pl.DataFrame, report: MigrationReport) -> None:
    """What its owner asked for is about marketing; what is wrong with an address is about everything."""
    own = pl.col("reason").is_in(sorted(suppressions.OWNER_REASONS))
    about = pl.when(pl.col("topic").is_not_null()).then(pl.concat_list("topic"))
    listed = rows.with_columns(
        pl.col("reason").fill_null("imported"), pl.col("at").fill_null(to_millis(job.shop.now)),
        about.when(own).then(pl.lit(list(job.topics))).otherwise(pl.lit([""])).alias("topic"),
        pl.concat_str(pl.lit("import: "), pl.col("source").fill_null(job.by)).alias("source"),
    ).explode("topic")  # fmt: skip
    names = ("address", "channel", "topic", "reason", "at", "source")
    report.added += suppressions.add_rows(connection, listed.select(names).rows(), renew=False)


def _consents(job: _Migration, connection: Connection, rows: pl.DataFrame, report: MigrationReport) -> None:
    said = rows.with_columns(
        pl.when(pl.col("topic").is_not_null()).then(pl.concat_list("topic")).otherwise(pl.lit(list(job.topics)))
        .alias("topic"),
        pl.col("at").fill_null(to_millis(job.shop.now)),
        pl.col("source").fill_null("import"),
        pl.col("text_version").fill_null(""),
        pl.concat_str(pl.lit("imported"), pl.lit(", confirmed there") if job.confirmed else pl.lit(""),
                      pl.lit(": ") + pl.col("method"), ignore_nulls=True).alias("method"),
    ).explode("topic")  # fmt: skip
    nobody = said.filter(pl.col("customer_id").is_null())
    report.added += _withdrawals_of_strangers(connection, nobody)
    words = said.filter(pl.col("customer_id").is_not_null()).select(list(CONSENT_COLUMNS))
    settings, now = job.workspace.project.settings, job.shop.now
    counts = accept_consents(settings, connection, words, by=job.by, now=now, confirmed=job.confirmed)
    report.added += counts.recorded
    report.pending += counts.pending


def _withdrawals_of_strangers(connection: Connection, rows: pl.DataFrame) -> int:
    """A no whose address no customer has yet: it waits on the suppression list for whoever brings the address."""
    listed = rows.with_columns(pl.lit("withdrawn").alias("reason"))
    return suppressions.add_rows(
        connection, listed.select("address", "channel", "topic", "reason", "at", "source").rows()
    )


def _sends(job: _Migration, connection: Connection, rows: pl.DataFrame, report: MigrationReport) -> None:
    """Recent sends, so that caps and re-entry count them: under the first customer id that has the address."""
    first = job.people.filter(pl.col("position") == 0)
    sent = (
        rows.join(first, on="address", how="left", suffix="_here", maintain_order="left")
        .with_columns(
            pl.coalesce("customer_id_here", "customer_id").fill_null("").alias("customer_id"),
            pl.col("address").fill_null("").alias("recipient"),
            pl.col("topic").fill_null(job.topics[0]),
            pl.col("campaign").fill_null(""),
        )
        .with_columns(pl.Series("message_id", _sent_ids(rows), dtype=pl.String))
    )
    report.added += earlier_sends.add(connection, sent.select(list(earlier_sends.COLUMNS)))


def _sent_ids(rows: pl.DataFrame) -> list[str]:
    """An id that the same send always gets."""
    parts = rows.select(pl.col("address", "customer_id", "channel", "campaign").fill_null(""), "at")
    return [f"{earlier_sends.IMPORTED}{content_hash(*map(str, row))[:24]}" for row in parts.iter_rows()]


_WRITE: dict[Kind, Callable[[_Migration, Connection, pl.DataFrame, MigrationReport], None]] = {
    "suppressions": _suppressions,
    "consents": _consents,
    "sends": _sends,
}
