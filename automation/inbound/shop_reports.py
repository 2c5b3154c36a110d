"""Imports what shops reported by webhook, in the same way as their exports.

Nothing that a shop sends may stop a run: a report that can't be imported goes to quarantine alone.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import structlog
from sqlalchemy.exc import SQLAlchemyError

from automation.inbound.shop_import import import_data, quarantine_file
from automation.store.inbox import shop_reports
from automation.store.inbox.shop_reports import Arrival, WaitingReports
from automation.warehouse.durability import sync_versions
from automation.warehouse.importing.mapping import MappingFile, load_mapping
from automation.warehouse.importing.quarantine import Quarantine
from automation.warehouse.tables import table_version
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

_MAX_TRIES = 64
"""Imports of parts of a group that can't be imported whole; what is left after them is quarantined as it is."""


def import_shop_reports(workspace: Workspace) -> int:
    """Import everything that waits; returns how many lines.

    After a crash before the last step the import is repeated, which changes nothing. Raises only what the warehouse or
    the store raises for a fault of the machine.
    """
    imported = 0
    while True:
        with workspace.store.reading() as connection:
            waiting = shop_reports.read_waiting(connection)
        if not waiting:
            return imported
        for group in waiting:
            folder = workspace.project.data_dir / "warehouse"
            before = table_version(folder, group.table).number
            _Group(workspace, group).import_arrivals()
            sync_versions(folder, group.table, after=before)
            imported += sum(len(arrival.lines) for arrival in group.arrivals)
            with workspace.store.transaction() as connection:
                shop_reports.finish_import(connection, group, now=workspace.clock.now())


class _Group:
    """The import of one group: whole if it can be, else in halves until the reports that can't be are alone."""

    def __init__(self, workspace: Workspace, group: WaitingReports) -> None:
        self._workspace = workspace
        self._group = group
        self._mapping = _mapping_of(group.preset)
        self._tries = 0

    def import_arrivals(self) -> None:
        waiting = [tuple(self._group.arrivals)]
        while waiting:
            part = waiting.pop()
            fault = self._try(part)
            if fault is None:
                continue
            if len(part) > 1 and self._tries < _MAX_TRIES:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
            else:
                self._quarantine(part, fault)

    def _try(self, part: Sequence[Arrival]) -> str | None:
        """Import these; what is wrong if they can't be. Raises for a fault that is not theirs."""
        self._tries += 1
        try:
            self._import(part)
        except (OSError, MemoryError, SQLAlchemyError):
            raise
        except (Exception, pl.exceptions.PanicException) as error:
            if _is_of_the_warehouse(error):
                raise
            return f"{type(error).__name__}: {error}"
        return None

    def _import(self, part: Sequence[Arrival]) -> None:
        folder = self._workspace.project.data_dir / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            path = Path(temporary) / f"{self._group.preset}-webhook.jsonl"
            with path.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in _complete(part))
            report = import_data(self._workspace, self._group.table, [path], self._mapping)
        if report.quarantined:
            log.warning("rows of webhooks were quarantined", table=self._group.table, file=str(report.quarantine_file))

    def _quarantine(self, part: Sequence[Arrival], fault: str) -> None:
        lines = [json.dumps(line, ensure_ascii=False) for arrival in part for line in arrival.lines]
        raw = pl.DataFrame({"line": lines}, schema={"line": pl.String}).with_row_index("_row", 1)
        faults = raw.select(
            "_row",
            pl.lit("row").alias("kind"),
            pl.lit("").alias("column"),
            pl.lit(fault[:300]).alias("reason"),
            pl.lit("").alias("value"),
        )
        with Quarantine(quarantine_file(self._workspace, self._group.table)) as quarantine:
            quarantine.add(Path(f"{self._group.preset}-webhook"), faults, raw)
        log.error(
            "webhook reports can't be imported and were quarantined", table=self._group.table, reports=len(part),
            why=fault[:300], file=str(quarantine.path),
        )  # fmt: skip


def _mapping_of(preset: str) -> MappingFile:
    """The preset without `fill_down`: a webhook repeats the head of an order in every line, and an order without a
    number must not take the customer of the order before it."""
    mapping = load_mapping(preset)
    return replace(mapping, mappings=tuple(one.model_copy(update={"fill_down": None}) for one in mapping.mappings))


def _complete(part: Sequence[Arrival]) -> Iterator[dict[str, str]]:
    """The lines, each with the columns of all."""
    lines = [line for arrival in part for line in arrival.lines]
    columns = {name: "" for line in lines for name in line}
    return ({**columns, **line} for line in lines)


def _is_of_the_warehouse(error: BaseException) -> bool:
    """Whether the warehouse's files are at fault: another try may succeed, and quarantine would lose the reports."""
    import duckdb
    from deltalake.exceptions import DeltaError

    return isinstance(error, DeltaError | duckdb.IOException | duckdb.OutOfMemoryException)
