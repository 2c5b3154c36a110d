"""Further reasons not to send."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, runtime_checkable

from automation.contracts.component import Component

if TYPE_CHECKING:
    import polars as pl


@runtime_checkable
class Suppression(Component, Protocol):
    codes: ClassVar[Mapping[str, str]]

    def refuse(self, batch: pl.DataFrame, *, at: datetime, moment: Literal["decide", "send"]) -> pl.DataFrame:
        """customer_id, code (one of `codes`), detail. If it raises, nobody of the batch is sent and it is retried."""
        ...
