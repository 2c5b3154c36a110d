"""Moves the events of the inbox to the warehouse, each once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import structlog

from automation.contracts.columns import POLARS_TYPES, polars_schema
from automation.inbound.shop_import import quarantine_file
from automation.inbound.shop_reports import import_shop_reports
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.types.schema import EVENTS, ColumnType
from automation.warehouse.durability import sync_versions
from automation.warehouse.embedded import Warehouse
from automation.warehouse.importing.currencies import convert_currencies
from automation.warehouse.importing.quarantine import Quarantine
from automation.warehouse.tables import table_version
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

MAX_COLUMNS = 300
"""Columns of the events table: whoever may post events could add new ones without end, which every query reads."""
APP = "inbox"
"""The application name that the Delta log keeps flush numbers under."""


def flush_events(workspace: Workspace, warehouse: Warehouse) -> int:
    """Import what shops reported, then move the inbox to the warehouse; returns how many events were moved.

    After a crash between the Delta commit and the store's, the flush number in the Delta log shows what is done. A
    flush counts as done once its files are synced; one that the warehouse has lost all the same is moved again.
    """
    import_shop_reports(workspace)
    moved = 0
    now = workspace.clock.now()
    _reopen_lost_flushes(workspace, warehouse, now)
    while True:
        with workspace.store.transaction() as connection:
            no = inbox.begin_flush(connection, now=now)
        if no is None:
            return moved
        if not warehouse.has_transaction(APP, no):
            with workspace.store.reading() as connection:
                events = inbox.read_flush(connection, no)
            before = table_version(warehouse.folder, "events")
            frame = _make_usable_frame(workspace, events, before.columns)
            frame = convert_currencies(frame, "events", workspace.project.settings.shop.exchange)
            warehouse.append_events(frame, transaction=(APP, no))
            sync_versions(warehouse.folder, "events", after=before.number)
            moved += len(events)
            workspace.project.registry.observe("events_recorded", table="events", rows=len(events), quarantined=0)
        with workspace.store.transaction() as connection:
            inbox.finish_flush(connection, no, now=now)


def _reopen_lost_flushes(workspace: Workspace, warehouse: Warehouse, now: datetime) -> None:
    """Move flushes again that the store counts as done and the events table does not have: its folder was restored or
    deleted, or the power failed before its disk had written them."""
    with workspace.store.reading() as connection:
        finished = inbox.last_finished_flush(connection, now=now)
    last = warehouse.last_transaction(APP) or 0  # read afterwards: another process may flush meanwhile
    if finished > last:
        with workspace.store.transaction() as connection:
            again = inbox.reopen_flushes(connection, after=last)
        log.warning("the warehouse lost events; those of the last week are moved to it again", events=again)


def _make_usable_frame(
    workspace: Workspace, events: Sequence[InboxEvent], known: Mapping[str, ColumnType]
) -> pl.DataFrame:
    """The events as a frame. One that can't be a row goes to quarantine alone and does not block the others."""
    try:
        return _make_frame(events, known)
    except _UNUSABLE:
        faults = [_find_fault(event, known) for event in events]
    unusable = [(event, fault) for event, fault in zip(events, faults, strict=True) if fault]
    raw = pl.DataFrame(
        {
            "_row": range(1, len(unusable) + 1),
            **{name: [str(getattr(event, name)) for event, _ in unusable] for name in _OWN_COLUMNS},
            "fields": [json.dumps(dict(event.fields)) for event, _ in unusable],
        },
        schema_overrides={"_row": pl.Int64},
    )
    reasons = raw.select(
        "_row",
        pl.lit("row").alias("kind"),
        pl.lit("").alias("column"),
        pl.Series("reason", [fault for _, fault in unusable], pl.String),
        pl.lit("").alias("value"),
    )
    with Quarantine(quarantine_file(workspace, "events")) as quarantine:
        quarantine.add(Path("inbox"), reasons, raw)
    log.error("events can't be stored and were quarantined", events=len(unusable), file=str(quarantine.path))
    return _make_frame([event for event, fault in zip(events, faults, strict=True) if not fault], known)


def _find_fault(event: InboxEvent, known: Mapping[str, ColumnType]) -> str:
    try:
        _make_frame([event], known)
    except _UNUSABLE as error:
        return f"{type(error).__name__}: {error}"[:300]
    return ""


def _make_frame(events: Sequence[InboxEvent], known: Mapping[str, ColumnType]) -> pl.DataFrame:
    """The events with the columns that the events table declares, and each attribute in a column of its own.

    An attribute that doesn't fit its column becomes null: one bad value must not block the events after it.
    """
    schema = polars_schema(EVENTS.columns)
    rows: list[dict[str, object]] = [
        {**event.fields, **{name: getattr(event, name) for name in _OWN_COLUMNS}} for event in events
    ]
    frame = pl.DataFrame(rows, schema=schema, orient="row") if rows else pl.DataFrame(schema=schema)
    names = _find_attributes(rows, schema, known)
    attributes = [_make_column(name, [row.get(name) for row in rows], known.get(name)) for name in names]
    return frame.with_columns(series for series in attributes if series.null_count() < len(series))


def _find_attributes(
    rows: Sequence[Mapping[str, object]], schema: Mapping[str, pl.DataType], known: Mapping[str, ColumnType]
) -> list[str]:
    """The attributes that get a column: those that have one, and new ones while the table has room for them."""
    names = dict.fromkeys(name for row in rows for name in row if name not in schema)
    new = [name for name in names if name not in known]
    refused = set(new[max(MAX_COLUMNS - len(known), 0) :])
    if refused:
        shown = ", ".join(sorted(refused)[:5])
        log.warning(
            "attributes were dropped: the events table has no more room", attributes=len(refused), such_as=shown
        )
    return [name for name in names if name not in refused]


def _make_column(name: str, values: Sequence[object], known: ColumnType | None) -> pl.Series:
    kind = known or _infer_type(values)
    fitted = [None if value is None else _fit(value, kind) for value in values]
    lost = sum(fit is None and value is not None for fit, value in zip(fitted, values, strict=True))
    if lost:
        log.warning("attribute values do not fit their column and were dropped", column=name, type=kind, events=lost)
    return pl.Series(name, fitted, dtype=POLARS_TYPES[kind])


def _infer_type(values: Sequence[object]) -> ColumnType:
    """The type of a new column: text if its first values differ in type."""
    types = {type(value) for value in values if value is not None}
    return "boolean" if types == {bool} else "number" if types and types <= {int, float} else "text"


def _fit(value: object, kind: ColumnType) -> object:
    """The value as its column stores it; None if it doesn't fit."""
    if kind == "text":
        return value if isinstance(value, str) else json.dumps(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind in ("number", "integer"):
        return _fit_number(value, whole=kind == "integer")
    return _fit_time(value, day=kind == "date")


def _fit_number(value: object, *, whole: bool) -> float | int | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if whole:
        return int(value) if float(value).is_integer() and abs(value) <= _LARGEST_WHOLE else None
    return float(value)


def _fit_time(value: object, *, day: bool) -> datetime | date | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if at is None or day:
        return at and at.date()
    return at.astimezone(UTC) if at.tzinfo else None


_LARGEST_WHOLE = 2**53
_UNUSABLE = (ArithmeticError, TypeError, ValueError, pl.exceptions.PolarsError)
_OWN_COLUMNS = ("event_id", "customer_id", "type", "occurred_at", "message_id")
