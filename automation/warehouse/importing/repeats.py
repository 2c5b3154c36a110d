"""Event ids that come again: known by their hashes, so that 20 million of them take 450 MB and not 2 GB."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

_SEEDS = (17, 4_242)
_PLACES = 27  # bits; 134 MB tell at once that an id is new, 86 times of 100 among 20 million

Hashes = NDArray[np.uint64]


class Ids:
    """Every id given so far; two ids that agree in two hashes of 64 bits are taken for one."""

    def __init__(self) -> None:
        self._met = np.zeros(1 << _PLACES, dtype=np.bool_)
        self._parts: list[tuple[Hashes, Hashes]] = []

    def add(self, ids: pl.Series) -> pl.Series:
        """Remember the ids; for each, whether an earlier row had it, of these or of an earlier call."""
        if not len(ids):
            return pl.Series(dtype=pl.Boolean)
        first, second = self.hashes(ids)
        places = first >> (64 - _PLACES)
        again = self._held(first, second, np.flatnonzero(self._met[places]))
        self._met[places] = True
        order = np.argsort(first)
        self._parts.append((first[order], second[order]))
        beside = np.flatnonzero(np.diff(self._parts[-1][0]) == 0)
        twice = np.unique(np.concatenate([order[beside], order[beside + 1]]))
        again[twice] |= ~ids[twice].is_first_distinct().to_numpy()
        return pl.Series(again)

    def hashes(self, ids: pl.Series) -> tuple[Hashes, Hashes]:
        """Both hashes of each id."""
        return ids.hash(_SEEDS[0]).to_numpy(), ids.hash(_SEEDS[1]).to_numpy()

    def _held(self, first: Hashes, second: Hashes, candidates: NDArray[np.int64]) -> NDArray[np.bool_]:
        candidates = candidates[np.argsort(first[candidates])]  # neighbours are found near each other
        wanted, checks = first[candidates], second[candidates]
        found = np.zeros(len(wanted), dtype=np.bool_)
        for known, known_checks in self._parts:
            at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
            found |= (known[at] == wanted) & (known_checks[at] == checks)
        held = np.zeros(len(first), dtype=np.bool_)
        held[candidates] = found
        return held


class Repeats:
    """Gives the second and every further row of one event id, over all frames of a file, an id of its own."""

    def __init__(self) -> None:
        self._ids = Ids()
        self._counts = pl.DataFrame(schema={"event_id": pl.String(), "rows": pl.UInt32()})

    def number(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`ID`, `ID-2`, `ID-3`, in the order of the file."""
        again = self._ids.add(rows["event_id"])
        if not again.any():
            return rows
        numbered = rows.select("event_id", again=again).with_row_index()
        repeated = numbered.join(numbered.filter("again").select("event_id").unique(), on="event_id", how="semi")
        placed = repeated.join(self._counts, on="event_id", how="left", maintain_order="left").with_columns(
            place=pl.coalesce("rows", pl.col("again").first().over("event_id").cast(pl.UInt32))
            + pl.cum_count("event_id").over("event_id")
        )
        counted = placed.group_by("event_id").agg(rows=pl.col("place").max())
        self._counts = pl.concat([self._counts.join(counted, on="event_id", how="anti"), counted])
        new = placed.filter(pl.col("place") > 1).select(
            "index", pl.format("{}-{}", "event_id", "place").alias("event_id")
        )
        return rows.with_row_index().update(new, on="index").drop("index")
