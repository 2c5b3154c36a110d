"""Files into the warehouse: read, mapped, cleaned, and committed as one change or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pydantic import ValidationError

from automation.clock import monotonic
from automation.contracts.answers import check_rows
from automation.errors import ConfigurationError, SourceError
from automation.types.schema import TableName
from automation.warehouse.importing.cleaning import RECORD, clean, trim
from automation.warehouse.importing.consents import permissions, spool, spooled
from automation.warehouse.importing.event_ids import with_event_ids
from automation.warehouse.importing.lookups import lookups
from automation.warehouse.importing.mapping import MappingFile
from automation.warehouse.importing.mapping_grammar import Mapping as FileMapping
from automation.warehouse.importing.quarantine import Quarantine
from automation.warehouse.importing.repeats import Repeats
from automation.warehouse.importing.reshaping import fill_down, split_items

if TYPE_CHECKING:
    from automation.contracts import Source
    from automation.plugin_manager import Registry
    from automation.warehouse.connect import Warehouse
    from automation.warehouse.importing.staging import Staging


@dataclass(frozen=True)
class ImportReport:
    """What became of every row: rows = added + updated + unchanged + duplicates + quarantined + the skipped ones.

    `lines` are the files' rows; `rows` is more where a line holds several items. `notes` counts single values that
    could not be used and were set empty; they and the quarantined rows are in `quarantine_file`.
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


class _Import:
    """One run of `import_files`: what it reads with, where its rows go, and the count of what became of them."""

    def __init__(self, warehouse: Warehouse, staged: Staging, refused: Quarantine, now: datetime) -> None:
        self.warehouse = warehouse
        self.staged = staged
        self.refused = refused
        self.now = now
        self.sql = warehouse.cursor()
        self.lines = self.rows = self.quarantined = self.notes = 0
        self.skipped: Counter[str] = Counter()
        self.warnings: list[str] = []
        self.known: Mapping[str, pl.DataFrame] = {}
        self.repeats: Repeats | None = None

    def read(self, source: Source, path: Path, file: MappingFile, progress: Callable[[int], None]) -> None:
        """Stage one file."""
        mapping: FileMapping | None = None
        self.repeats = None
        last: pl.DataFrame | None = None
        for frame in source.read(path, self.staged.table):
            check_rows(frame, f"source {type(source).__name__}")
            if mapping is None:
                mapping = file.choose(self.staged.table, frame.drop("_row").columns, path)
                self.known = lookups(self.warehouse, mapping)
                self.repeats = Repeats() if mapping.repeats == "keep" and _hashed(mapping) else None
            trimmed = trim(_complete(frame, mapping), mapping)
            if mapping.fill_down:
                trimmed, last = fill_down(trimmed, mapping.fill_down, last)
            if mapping.items:
                trimmed = split_items(trimmed, mapping.items)
            self._take(path, frame, trimmed, mapping)
            self.lines += frame.height
            progress(self.lines)
        if mapping is None:
            self.warnings.append(f"{path}: it has no rows")

    def _take(self, path: Path, frame: pl.DataFrame, trimmed: pl.DataFrame, mapping: FileMapping) -> None:
        cleaned = clean(trimmed, mapping, self.now, self.known)
        self.rows += trimmed.height
        self.quarantined += cleaned.quarantined
        self.notes += int((cleaned.faults["kind"] == "value").sum())
        self.skipped.update(cleaned.skipped)
        self.refused.add(path, cleaned.faults, frame)
        for said in permissions(cleaned, mapping):
            spool(said, self.staged.folder)
        rows = cleaned.rows.drop(RECORD)
        if mapping.table == "events":
            rows = with_event_ids(self.sql, rows, mapping.kinds)
        self.staged.add(self.repeats.number(rows) if self.repeats else rows)


def import_files(
    warehouse: Warehouse,
    registry: Registry,
    table: TableName,
    paths: Sequence[Path],
    mapping: MappingFile | FileMapping,
    *,
    quarantine: Path,
    now: datetime,
    progress: Callable[[int], None] = lambda lines: None,
    consents: Callable[[pl.DataFrame], None] = lambda said: None,
) -> ImportReport:
    """Import the files as one change. `progress` is given the lines read so far.

    `consents` is given, after the commit, what the mapping says about permission: customer_id, channel, topic,
    granted Boolean, source; a word that the store has already must outrank it. Raises `SourceError`,
    `ConfigurationError`; nothing is changed then.
    """
    started = monotonic()
    file = mapping if isinstance(mapping, MappingFile) else MappingFile("given", (mapping,))
    with warehouse.staging(table) as staged, Quarantine(quarantine) as refused:
        task = _Import(warehouse, staged, refused, now)
        for path in paths:
            task.read(_source(registry, path, file, table), path, file, progress)
        change = warehouse.commit(staged)
        for said in spooled(staged.folder):
            consents(said)
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
        quarantine_file=quarantine if refused.written else None,
        seconds=monotonic() - started,
        warnings=tuple(task.warnings),
    )


def _source(registry: Registry, path: Path, file: MappingFile, table: TableName) -> Source:
    """The source for the file's ending, with the mapping's options for it. Raises `SourceError`."""
    ending = (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()
    classes: dict[str, type[Source]] = {
        suffix: found
        for name in registry.names("sources")
        for found in [registry.find("sources", name)]
        for suffix in found.suffixes
    }
    if ending not in classes:
        raise SourceError(
            path,
            None,
            f"no source reads files that end in {ending or 'nothing'!r}; there are: "
            f"{', '.join(sorted(classes)) or 'none'}, each also with .gz",
        )
    written = next((mapping.options for mapping in file.mappings if mapping.table == table), {})
    try:
        return classes[ending](classes[ending].Options.model_validate(dict(written)))
    except ValidationError as error:
        faults = "; ".join(f"options.{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        raise ConfigurationError(f"{file.name}: {faults.replace('Value error, ', '')}") from error


def _complete(frame: pl.DataFrame, mapping: FileMapping) -> pl.DataFrame:
    """The columns that the mapping uses, as nulls where this frame doesn't have one (JSON writes only what is set)."""
    lacking = [name for name in mapping.expected if name not in frame.columns]
    used = [name for name in frame.columns if name in mapping.uses or name == "_row"]
    return frame.select(*used, *(pl.lit(None, pl.String).alias(name) for name in lacking))


def _hashed(mapping: FileMapping) -> bool:
    return mapping.table == "events" and "event_id" not in mapping.columns
