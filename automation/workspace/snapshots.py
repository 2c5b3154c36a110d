"""Snapshots: the warehouse as of an instant, with segments, scores and decisions for the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import polars as pl

from automation.contracts import Snapshot
from automation.rules.segments import with_segments
from automation.warehouse.embedded import Warehouse
from automation.workspace.decision_mirror import read_mirror
from automation.workspace.models_in_use import load_trained_model
from automation.workspace.workspace import Workspace


def snapshot(
    workspace: Workspace,
    warehouse: Warehouse,
    as_of: datetime,
    *,
    with_decisions: bool,
    versions: Mapping[str, str],
    today: datetime | None = None,
    before_run: int | None = None,
    known_until: datetime | None = None,
) -> Snapshot:
    """The warehouse as of an instant; segments are computed when first used.

    today: the due wall time of a run in `timezone: customer`, whose date holds for every customer. before_run: leave
    out what this run and later ones decided, to look at what it saw. known_until: leave out later decisions.
    """
    settings = workspace.project.settings
    bare = replace(
        warehouse.snapshot(as_of, timezone=settings.shop.timezone, lifecycle=settings.lifecycle),
        today=None if today is None else today.date(),
    )
    if with_decisions:
        earlier = read_mirror(workspace, warehouse.connection)
        kept = earlier if before_run is None else earlier.filter(earlier.run_id.cast("int64") < before_run)
        if known_until is not None:
            kept = kept.filter(kept.decided_at < known_until)
        bare = replace(bare, decisions=kept)
    scored = {
        name: partial(_assign, workspace, name, versions)
        for name, model in settings.models.items()
        if model.kind == "segmenters"
    }
    return with_segments(bare, settings.segments, scored, workspace.project.registry)


def _assign(workspace: Workspace, name: str, versions: Mapping[str, str], data: Snapshot) -> Iterator[pl.DataFrame]:
    segmenter: Any = load_trained_model(workspace, name, versions)
    found: Iterator[pl.DataFrame] = segmenter.assign(data)
    return found
