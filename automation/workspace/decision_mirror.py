"""The decisions for the audience rules: older ones in Parquet files, the newest straight from the store.

A run would otherwise fetch every decision ever made as rows. A decision never changes, except that its message may be
lost to another campaign, which is looked up each time.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
import polars as pl

from automation.ids import new_request_id
from automation.store.ledger import mirror
from automation.store.ledger.mirror import MirrorFiles
from automation.warehouse.batch_file import keep
from automation.workspace.workspace import Workspace

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

FETCHED = 20_000
"""As many of the newest decisions are fetched as rows; 7 µs each."""
_AT_ONCE = 200_000
_KEPT_FOR = 86_400.0
"""Seconds that a replaced file stays, for a query that may still read it."""


def refresh_mirror(workspace: Workspace) -> None:
    """Move all but the newest decisions to files, so that a snapshot fetches at most `FETCHED` of them."""
    while True:
        with workspace.store.reading() as connection:
            listed = mirror.read_files(connection)
            known = _usable(workspace, listed)
            if mirror.count_after(connection, known.through, at_most=FETCHED + 1) <= FETCHED:
                return
            through = mirror.last_decision(connection, after=known.through, count=_AT_ONCE)
            rows = mirror.read_decisions(connection, after=known.through, through=through)
        files, replaced = _write(workspace, known, rows)
        with workspace.store.transaction() as connection:
            if not mirror.replace_files(connection, listed, MirrorFiles(through, files)):
                return  # another process did the same meanwhile
        _forget(workspace, replaced)


def read_mirror(workspace: Workspace, here: Backend) -> ir.Table:
    """Every decision: the columns of `Snapshot.decisions`, a row for each message. Changes nothing."""
    with workspace.store.reading() as connection:
        known = _usable(workspace, mirror.read_files(connection))
        newest = mirror.read_decisions(connection, after=known.through)
        lost = mirror.read_lost(connection)
    rows = _copy(newest, here)
    if known.files:
        paths = [str(_folder(workspace) / name) for name, _ in known.files]
        rows = here.read_parquet(paths).select(*newest.columns).union(rows)
    gone = _copy(lost.with_columns(pl.lit(value=True).alias("is_lost")), here)
    marked = rows.left_join(gone, "decision_id")
    outcome = ibis.ifelse(marked.is_lost.fill_null(False), "suppressed", marked.outcome)
    return marked.mutate(outcome=outcome).select(*(name for name in newest.columns if name != "decision_id"))


def _copy(rows: pl.DataFrame, here: Backend) -> ir.Table:
    """A table of this connection, unlike Ibis's own tables in memory, which any connection may be asked for."""
    return here.create_table(ibis.util.gen_name("decisions"), rows, temp=True)


def _folder(workspace: Workspace) -> Path:
    return workspace.project.data_dir / "decisions"


def _usable(workspace: Workspace, listed: MirrorFiles) -> MirrorFiles:
    """No files if one is missing or cut: all of them are written again then."""
    folder = _folder(workspace)
    return listed if all(_rows(folder / name) == rows for name, rows in listed.files) else MirrorFiles()


def _rows(path: Path) -> int | None:
    from pyarrow import parquet

    try:
        return int(parquet.read_metadata(path).num_rows)
    except (OSError, ValueError):
        return None


def _write(
    workspace: Workspace, known: MirrorFiles, rows: pl.DataFrame
) -> tuple[tuple[tuple[str, int], ...], list[Path]]:
    """Write the rows to a file, together with files that are not much larger, so that there are never many.

    Returns the files that count from now on, and those that were replaced.
    """
    folder = _folder(workspace)
    folder.mkdir(parents=True, exist_ok=True)
    kept, joined, count = list(known.files), list[Path](), rows.height
    if not count:
        return known.files, []
    while kept and kept[-1][1] <= 2 * count:
        name, its_rows = kept.pop()
        joined.insert(0, folder / name)
        count += its_rows
    path = folder / f"{new_request_id()}.parquet"
    partial = path.with_suffix(".partial")
    pl.concat([*(pl.scan_parquet(file) for file in joined), rows.lazy()]).sink_parquet(partial)
    keep(partial, path)
    return (*kept, (path.name, count)), joined


def _forget(workspace: Workspace, replaced: list[Path]) -> None:
    """Remove files that don't count any more, those replaced just now a day later."""
    now = workspace.clock.now().timestamp()
    for path in replaced:
        os.utime(path, (now, now))
    with workspace.store.reading() as connection:
        counting = {name for name, _ in mirror.read_files(connection).files}
    for path in _folder(workspace).iterdir():
        if path.name not in counting and path.stat().st_mtime < now - _KEPT_FOR:
            path.unlink(missing_ok=True)
