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
    """Adds reasons not to send.

    codes: every reason code that `refuse` may return, with its meaning in words.
    """

    codes: ClassVar[Mapping[str, str]]

    def refuse(self, batch: pl.DataFrame, *, at: datetime, moment: Literal["decide", "send"]) -> pl.DataFrame:
        """The customers of the batch who get no message: customer_id, code (one of `codes`), detail, all String.

        batch: customer_id and the customers' traits; at the moment of sending one row a message, with its channel,
        address, topic and campaign. at: the instant, UTC. If it raises, nobody of the batch gets a message, and it is
        asked again later.
        """
        ...
