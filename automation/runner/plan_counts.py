"""The customers of a plan, counted over its batches, and the first samples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from automation.pipeline.decide import Decided
from automation.pipeline.passed_over import count_passed_over
from automation.runner.samples import Sample


@dataclass
class PlanCounts:
    """Customers counted over the batches, and the first samples."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    variants: Counter[tuple[str, str]] = field(default_factory=Counter)
    offers: Counter[str] = field(default_factory=Counter)
    displaced: Counter[str] = field(default_factory=Counter)
    channels: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    untracked: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)

    def add(self, decided: Decided, displaced: pl.DataFrame) -> None:
        rows = decided.rows
        self.displaced.update(displaced["campaign"].to_list())
        self.outcomes.update(dict(_count(rows, "outcome", "reason")))
        self.variants.update(dict(_count(rows.filter(pl.col("variant").is_not_null()), "variant", "outcome")))
        messages = rows.filter(pl.col("outcome") == "message")
        self.channels.update({key[0]: n for key, n in _count(messages, "channel")})
        self.passed_over.update(count_passed_over(messages))
        self.offers.update({key[0]: n for key, n in _count(messages.filter(pl.col("offer").is_not_null()), "offer")})


def _count(rows: pl.DataFrame, *names: str) -> list[tuple[tuple[Any, ...], int]]:
    return [(tuple(row[:-1]), row[-1]) for row in rows.group_by(*names).len().iter_rows()]
