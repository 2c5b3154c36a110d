"""Import a shop's files into the warehouse, with the consents that their mapping states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.inbound.consents import accept_consents
from automation.store import imports
from automation.store.engine import table as store_table
from automation.store.people import consent
from automation.store.tables import Consent
from automation.types.schema import TableName
from automation.warehouse.importing.importer import ImportReport, import_files
from automation.warehouse.importing.mapping import MappingFile
from automation.workspace.channels import channel_kinds
from automation.workspace.workspace import Workspace

_SLICE = 5_000
_consent = store_table(Consent)


def import_data(
    workspace: Workspace,
    table: TableName,
    paths: Sequence[Path],
    mapping: MappingFile,
    *,
    progress: Callable[[int], None] = lambda _lines: None,
    by: str | None = None,
) -> ImportReport:
    """Read, clean and write the files; rows that can't be used go to a quarantine file.

    by: who imports them, so that the import gets a number and can be undone; None for what arrives by itself.
    """
    now = workspace.clock.now()
    warehouse = workspace.warehouse()
    try:
        report = import_files(
            warehouse,
            workspace.project.registry,
            table,
            paths,
            mapping,
            quarantine=quarantine_file(workspace, table),
            now=now,
            exchange=workspace.project.settings.shop.exchange,
            progress=progress,
            record_consents=partial(_record_consents, workspace, now),
        )
    finally:
        warehouse.close()
    return report if by is None else _number(workspace, table, paths, report, by=by, now=now)


def _number(
    workspace: Workspace, table: TableName, paths: Sequence[Path], report: ImportReport, *, by: str, now: datetime
) -> ImportReport:
    with workspace.store.transaction() as connection:
        number = imports.record(
            connection,
            table,
            [path.name for path in paths],
            rows=report.added + report.updated,
            versions=report.versions,
            by=by,
            now=now,
        )
    return replace(report, number=number)


def quarantine_file(workspace: Workspace, table: str) -> Path:
    """Where rows that an import of this table can't use are written; `Quarantine` numbers it if it exists."""
    return workspace.project.data_dir / "quarantine" / f"{workspace.clock.now():%Y%m%dT%H%M%S}-{table}.csv"


def _record_consents(workspace: Workspace, now: datetime, consents: pl.DataFrame) -> None:
    """Record the file's consents for one channel and topic: new ones, and changes since the last import of its source.

    A record of another source, such as a customer's own unsubscribe, outranks the file. A change counts for every
    customer id with the address; a first record counts for its own customer id only.
    """
    channel, topic, source = consents.select("channel", "topic", "source").row(0)
    settings = workspace.project.settings
    double_opt_in = topic in settings.consent.double_opt_in
    address = pl.col("phone" if channel_kinds(workspace).get(channel) == "phone" else "email")
    changed = pl.col("known").is_not_null()
    fixed = {"at": pl.lit(to_millis(now)), "text_version": pl.lit(""), "method": pl.lit("import")}
    with workspace.store.transaction() as connection:
        for part in consents.iter_slices(_SLICE):
            new = part.join(_known(connection, part, channel, topic), on="customer_id", how="left").filter(
                pl.col("known").is_null() | ((pl.col("known_from") == source) & (pl.col("known") != pl.col("granted")))
            )
            records = new.unique("customer_id", keep="last", maintain_order=True).with_columns(
                pl.when(changed | double_opt_in).then(address).alias("address"), **fixed
            )
            accept_consents(settings, connection, records.select(list(consent.CONSENT_COLUMNS)), by="import", now=now)


def _known(connection: Connection, part: pl.DataFrame, channel: str, topic: str) -> pl.DataFrame:
    query = sa.select(_consent.c.customer_id, _consent.c.granted, _consent.c.source).where(
        _consent.c.channel == channel,
        _consent.c.topic == topic,
        _consent.c.customer_id.in_(part["customer_id"].to_list()),
    )
    schema = {"customer_id": pl.String, "known": pl.Boolean, "known_from": pl.String}
    return pl.DataFrame([tuple(row) for row in connection.execute(query)], schema=schema, orient="row")
