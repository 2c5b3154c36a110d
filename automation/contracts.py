"""What a plugin's component must do. Frames are Polars, ids `String`, instants aware UTC; columns are exact.

A wrong column, dtype, id, duplicate or NaN in an answer is a `ContractError`: the batch fails whole, it is never
patched. No component reads the clock, the store, or the project; everything it may know is handed to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, JsonValue

from automation.types.message import Receipt, Rendered
from automation.types.schema import TableName

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import numpy as np
    import polars as pl


class Options(BaseModel):
    """What a component's options inherit from: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Snapshot:
    """The warehouse strictly before `as_of`, as lazy Ibis tables on one connection.

    customers, products, events: the columns of `automation.types.schema`, further ones beside them.
    profiles: the columns of `automation.types.profile.PROFILE_COLUMNS`, as they are at as_of; one row per customer. Who
    never bought has none of the figures about buying, and the lifecycle never_bought.
    decisions: customer_id, campaign, run_id, outcome, decided_at, variant, message_id String?; a row for each message.
    segments: by name, each customer_id, label String?, score Float64?, reasons array<string>; made when first asked.
    version: identifies the data read; replayable: whether `version` can be read again.
    timezone: the shop's IANA zone, in which dates are meant and which stands in for a customer's unknown one.
    today: everybody's own date, in a run that reaches each customer at the same wall time; else it follows from as_of.
    """

    as_of: datetime
    version: str
    replayable: bool
    customers: ir.Table
    products: ir.Table
    events: ir.Table
    profiles: ir.Table
    decisions: ir.Table
    segments: Mapping[str, ir.Table]
    timezone: str = "UTC"
    today: date | None = None


@runtime_checkable
class Component(Protocol):
    """Anything that a campaign or config.yaml names. The constructor does no I/O and loads nothing heavy."""

    Options: ClassVar[type[BaseModel]]

    def __init__(self, options: Any) -> None: ...


@runtime_checkable
class Model(Component, Protocol):
    """A component that learns. The core owns its files, its card and their checksums."""

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
        """Learn from scratch and return metrics. Raises `NotEnoughData`. `parts` are the models it builds on."""
        ...

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Everything learned, as arrays without object dtype; text as uint8 (`automation.learn` has no say in it)."""
        ...

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
        """Take back what `save` gave. Raises `BadArtifact`."""
        ...


@runtime_checkable
class Rule(Component, Protocol):
    """A condition's leaf. Its options model validates the whole mapping as written, `key` included."""

    key: ClassVar[str]

    def matching(self, data: Snapshot) -> ir.Table:
        """The customers that it holds for: one column customer_id, distinct, non-null, lazy."""
        ...


@runtime_checkable
class Segmenter(Model, Protocol):
    def assign(self, data: Snapshot) -> Iterator[pl.DataFrame]:
        """customer_id String, label String?, score Float64?, reasons List[String] (at most 3); absent = not in it."""
        ...


@runtime_checkable
class Recommender(Model, Protocol):
    def recommend(
        self,
        customers: pl.Series,
        history: pl.DataFrame,
        *,
        k: int,
        allowed: pl.Series,
        blocked: pl.DataFrame,
    ) -> pl.DataFrame:
        """At most k products for each customer of the batch.

        customers: String. history: customer_id, product_id, type, occurred_at, amount (theirs only).
        allowed: product_id String, products that may be shown. blocked: customer_id, product_id, pairs that may not.
        Returns customer_id String, product_id String, score Float64, reason String (a code), because List[String]
        (product ids that the reason refers to). An unknown customer is absent. The core orders by (-score, product_id).
        """
        ...


@runtime_checkable
class OfferPolicy(Model, Protocol):
    def plan(
        self, audience: Iterator[pl.DataFrame], offers: pl.DataFrame, *, budget: Decimal | None, seed: int
    ) -> Mapping[str, JsonValue]:
        """Once a run, over the whole audience in batches; what it returns is stored and given to every `choose`."""
        ...

    def choose(self, batch: pl.DataFrame, offers: pl.DataFrame, plan: Mapping[str, JsonValue]) -> pl.DataFrame:
        """A probability for every customer of the batch × every offer; they sum to 1 within 1e-9 per customer.

        batch: customer_id, the customer's traits, and one Boolean column `when_<n>` (n from 0) for every `Condition` in
        the policy's options, in their order. offers: offer, kind, value, expected_cost.
        Returns customer_id, offer, probability, expected_value, expected_cost.
        """
        ...


@runtime_checkable
class Suppression(Component, Protocol):
    codes: ClassVar[Mapping[str, str]]

    def refuse(self, batch: pl.DataFrame, *, at: datetime, moment: Literal["decide", "send"]) -> pl.DataFrame:
        """customer_id, code (one of `codes`), detail. If it raises, nobody of the batch is sent and it is retried."""
        ...


HandOver = Callable[[Rendered], None]
"""Writes down that a message may arrive from now on; takes about 10 µs and never blocks."""


@runtime_checkable
class Channel(Component, Protocol):
    """Delivers messages. `kind` says which address it wants: email, phone, push or customer (the id).

    A channel whose messages never leave this machine has the class attribute `live = False`: it may be used before the
    suppressions of the sender used before were brought over.
    """

    kind: ClassVar[str]

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """A small slice whose `sending` is committed: one receipt each, in any order.

        `hand_over(message)` comes right before the instant from which the message may arrive (the final dot, the
        request's body). Without a receipt, a message that was handed over is ambiguous; any other is queued again.
        """
        ...

    async def close(self) -> None: ...


@runtime_checkable
class ResolvingChannel(Channel, Protocol):
    """A channel that can be asked later; used where a campaign says `on_ambiguous: resolve`."""

    async def resolve(self, messages: Sequence[Rendered]) -> Sequence[Receipt]:
        """What became of messages that may have arrived: SENT, FAILED, or RETRY for one that the provider certainly
        never got and that is sent again. Those that it can't tell of are left out."""
        ...


@runtime_checkable
class Source(Component, Protocol):
    """Reads files of one format. `suffixes` such as ('.csv',); the core opens by suffix, `.gz` removed first."""

    suffixes: ClassVar[tuple[str, ...]]

    def read(self, path: Path, table: TableName) -> Iterator[pl.DataFrame]:
        """At most 100,000 rows a frame: the file's columns, and _row Int64 from 1. Raises `SourceError`.

        A column is String, as raw as it stands in the file; where the format itself states the type it may be an
        integer, Float64, Boolean, Date, Datetime("us") for local time, or Datetime("us", "UTC").
        """
        ...


BY_KIND: Mapping[str, type] = MappingProxyType(
    {
        "sources": Source,
        "rules": Rule,
        "segmenters": Segmenter,
        "recommenders": Recommender,
        "offer_policies": OfferPolicy,
        "suppressions": Suppression,
        "channels": Channel,
    }
)
"""The contract of each kind of component, by the name that its registering hook bears."""
