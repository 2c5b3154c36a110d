"""Files into the warehouse: read, mapped, cleaned, and committed as one change or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from automation.clock import monotonic
from automation.types.exchange import Exchange
from automation.types.plural import format_count
from automation.types.schema import CUSTOMERS, PRODUCTS, TableName
from automation.warehouse.importing.cleaning import RECORD, Cleaned
from automation.warehouse.importing.currencies import convert_currencies, refuse_currencies
from automation.warehouse.importing.discounts import keep_orders_whole
from automation.warehouse.importing.event_ids import with_event_ids
from automation.warehouse.importing.fault_summary import FaultCount, FaultSummary
from automation.warehouse.importing.file_consents import read_consents, read_spooled, spool
from automation.warehouse.importing.file_reader import FileReader, open_source, read_frames
from automation.warehouse.importing.lookups import lookups
from automation.warehouse.importing.mapping import MappingFile
from automation.warehouse.importing.quarantine import Quarantine
from automation.warehouse.importing.repeats import Repeats
from automation.warehouse.importing.staging import StagedEvents, place_of
from automation.warehouse.importing.table_mapping import TableMapping

if TYPE_CHECKING:
    from automation.contracts import Source
    from automation.plugin_manager import Registry
    from automation.warehouse.embedded import Warehouse
    from automation.warehouse.importing.staging import Staging


@dataclass(frozen=True)
class ImportReport:
    """What became of every row: rows = added + updated + unchanged + duplicates + quarantined + the skipped ones.

    `lines` are the files' rows; `rows` is more if a line holds several items. `notes` counts single values that could
    not be used and were set empty; they and the quarantined rows are in `quarantine_file`.
    """

    lines: int
    rows: int
    added: int
    updated: int
    unchanged: int
    duplicates: int
    quarantined: int
    skipped: Mapping[str, int]
    notes: int
    quarantine_file: Path | None
    seconds: float
    warnings: tuple[str, ...] = ()
    number: int | None = None
    """By which it can be undone; None for what arrived by itself."""
    versions: tuple[int, int] = (-1, -1)
    """Of the table, before and after the import."""
    faults: tuple[FaultSummary, ...] = ()
    """The most frequent reasons for `quarantined` and `notes`."""
    repeated: int = 0
    """Of `duplicates`, how many repeat an earlier line of the same files; the others were imported before."""
    repeated_at: tuple[str, ...] = ()
    """The first of those lines: the file and the row, from 1."""


class _Import:
    """One call of `import_files`: where its rows go, and the count of what became of them."""

    def __init__(
        self, warehouse: Warehouse, staged: Staging, refused: Quarantine, now: datetime, exchange: Exchange | None
    ) -> None:
        self.warehouse = warehouse
        self.exchange = exchange
        self.staged = staged
        self.refused = refused
        self.now = now
        self.sql = warehouse.cursor()
        self.lines = self.rows = self.quarantined = self.notes = 0
        self.skipped: Counter[str] = Counter()
        self.faults = FaultCount()
        self.files: list[Path] = []
        self.warnings: list[str] = []

    def read(self, source: Source, path: Path, file: MappingFile, progress: Callable[[int], None]) -> None:
        """Stage one file."""
        reader: FileReader | None = None
        repeats: Repeats | None = None
        self.files.append(path)
        for mapping, frame in _mapped(read_frames(source, path, self.staged.table), self.staged.table, path, file):
            if reader is None:
                reader = FileReader(mapping, lookups(self.warehouse, mapping), self.now)
                repeats = Repeats() if mapping.repeats == "keep" and _hashed(mapping) else None
            cleaned = reader.read(frame)
            if self.exchange is not None:
                cleaned = refuse_currencies(cleaned, self.staged.table, self.exchange)
            self.refused.add(path, cleaned.faults, frame)
            self.faults.add(cleaned.faults, frame, reader.mapping)
            self._stage(cleaned, reader.mapping, repeats)
            self.lines += frame.height
            progress(self.lines)
        if reader is None:
            self.warnings.append(f"{path}: it has no rows")

    def _stage(self, cleaned: Cleaned, mapping: TableMapping, repeats: Repeats | None) -> None:
        self.rows += cleaned.rows.height + cleaned.quarantined + sum(cleaned.skipped.values())
        self.quarantined += cleaned.quarantined
        self.notes += int((cleaned.faults["kind"] == "value").sum())
        self.skipped.update(cleaned.skipped)
        for consents in read_consents(cleaned, mapping):
            spool(consents, self.staged.folder)
        rows = cleaned.rows.drop(RECORD)
        places = None
        if mapping.table == "events":
            rows = with_event_ids(self.sql, rows, mapping.id_kinds)  # of the file's values, whatever the rates are
            numbers = cleaned.raw.select(RECORD, "_row")
            numbers = cleaned.rows.select(RECORD).join(numbers, on=RECORD, how="left", maintain_order="left")
            places = place_of(len(self.files) - 1, numbers["_row"])
        if self.exchange is not None:
            rows = convert_currencies(rows, mapping.table, self.exchange)
        self.staged.add(repeats.number(rows) if repeats else rows, places)

    def repeats_at(self) -> tuple[int, tuple[str, ...]]:
        """How many lines repeat an earlier one, and where the first of them are."""
        if not isinstance(self.staged, StagedEvents):
            return 0, ()
        at = tuple(f"{self.files[file].name}:{row}" for file, row in self.staged.repeated_at)
        return self.staged.repeated, at

    def unknown(self) -> Iterator[str]:
        """Warnings about events of customers or products that were never imported; call it before the commit."""
        if not isinstance(self.staged, StagedEvents):
            return
        for table, noun, lost in (
            (CUSTOMERS, "customer", "no rule finds them"),
            (PRODUCTS, "product", "rules and models know nothing of them"),
        ):
            ids, events = self.warehouse.count_unknown(self.staged.parts, table.name, table.key)
            if ids:
                unknown = f"{format_count(ids, noun)} of {format_count(events, 'event')}"
                yield f"not imported yet: {unknown}; until they are, {lost}"


def import_files(
    warehouse: Warehouse,
    registry: Registry,
    table: TableName,
    paths: Sequence[Path],
    mapping: MappingFile | TableMapping,
    *,
    quarantine: Path,
    now: datetime,
    exchange: Exchange | None = None,
    progress: Callable[[int], None] = lambda lines: None,
    record_consents: Callable[[pl.DataFrame], None] = lambda consents: None,
) -> ImportReport:
    """Import the files as one change. `progress` is given the lines read so far.

    exchange: converts amounts in other currencies, and refuses those without a rate; None leaves them as they are.
    `record_consents` is given, after the commit, the consents that the mapping states, a frame (`FILE_CONSENTS`) per
    channel and topic; records that the store already has must outrank them. Raises `SourceError`,
    `ConfigurationError`; nothing is changed then.
    """
    started = monotonic()
    file = mapping if isinstance(mapping, MappingFile) else MappingFile("given", (mapping,))
    with warehouse.staging(table) as staged, Quarantine(quarantine) as refused:
        task = _Import(warehouse, staged, refused, now, exchange)
        for path in paths:
            task.read(open_source(registry, path, file, table), path, file, progress)
        task.warnings += task.unknown()
        change = warehouse.commit(staged)
        repeated, repeated_at = task.repeats_at()
        for consents in read_spooled(staged.folder):
            record_consents(consents)
    registry.observe("events_recorded", table=table, rows=change.added + change.updated, quarantined=task.quarantined)
    return ImportReport(
        lines=task.lines,
        rows=task.rows,
        added=change.added,
        updated=change.updated,
        unchanged=change.unchanged,
        duplicates=change.duplicates,
        quarantined=task.quarantined,
        skipped=dict(task.skipped),
        notes=task.notes,
        quarantine_file=refused.path if refused.written else None,
        seconds=monotonic() - started,
        warnings=tuple(task.warnings),
        versions=change.versions,
        faults=task.faults.top(),
        repeated=repeated,
        repeated_at=repeated_at,
    )


def _mapped(
    frames: Iterator[pl.DataFrame], table: TableName, path: Path, file: MappingFile
) -> Iterator[tuple[TableMapping, pl.DataFrame]]:
    """The file's frames with the mapping that fits its columns; those of orders with discounts hold whole orders."""
    for first in frames:
        mapping = file.choose(table, first.drop("_row").columns, path)[0]
        whole: Iterator[pl.DataFrame] = chain([first], frames)
        if mapping.discounts:
            whole = keep_orders_whole(whole, mapping.discounts.by)
        yield from ((mapping, frame) for frame in whole)


def _hashed(mapping: TableMapping) -> bool:
    return mapping.table == "events" and "event_id" not in mapping.columns
