"""The data as of an instant, as components are given it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir


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
