"""A labelled or scored set of customers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from automation.contracts.model import Model
from automation.contracts.snapshot import Snapshot

if TYPE_CHECKING:
    import polars as pl


@runtime_checkable
class Segmenter(Model, Protocol):
    def assign(self, data: Snapshot) -> Iterator[pl.DataFrame]:
        """customer_id String, label String?, score Float64?, reasons List[String] (at most 3); absent = not in it."""
        ...
