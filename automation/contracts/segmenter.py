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
    """Puts customers into a named set, with a label or a score."""

    def assign(self, data: Snapshot) -> Iterator[pl.DataFrame]:
        """The members as of `data.as_of`, in frames of at most 50,000 rows; a customer who is absent is not a member.

        Columns: customer_id String, distinct; label String?; score Float64?, finite, and a probability where the model
        is calibrated; reasons List[String], 0 to 3 texts.
        """
        ...
