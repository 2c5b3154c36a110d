"""The data as of an instant, as components get it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

TABLES = frozenset({"customers", "products", "events", "profiles", "decisions", "segments"})
"""The tables of a `Snapshot`, by name."""


@dataclass(frozen=True)
class Snapshot:
    """The warehouse strictly before `as_of`, as lazy Ibis tables.

    connection: the local DuckDB, which has every table but those of a shop's own warehouse.
    customers, products, events: the columns of `automation.types.schema`, further ones beside them.
    profiles: the columns of `automation.types.profile.PROFILE_COLUMNS` as of `as_of`; one row per customer. A customer
    who never bought has nulls for all purchase figures, and the lifecycle never_bought. `measure_profiles` makes the
    table on first use and keeps it, since most rules need none and making it can read every event.
    decisions: the columns of `automation.types.schema.DECISION_COLUMNS`; a row for each message.
    segments: by name, each customer_id, label String?, score Float64?, reasons array<string>; computed on first use.
    version: identifies the data read; replayable: whether `version` can be read again.
    timezone: the shop's IANA zone, used for dates and for customers whose own zone is unknown.
    today: every customer's own date, in a run that reaches each customer at the same wall time; else it follows from
    as_of and the customer's zone.
    """

    as_of: datetime
    version: str
    replayable: bool
    connection: Backend
    customers: ir.Table
    products: ir.Table
    events: ir.Table
    measure_profiles: Callable[[], ir.Table]
    decisions: ir.Table
    segments: Mapping[str, ir.Table]
    timezone: str = "UTC"
    today: date | None = None

    @property
    def profiles(self) -> ir.Table:
        """The table `profiles`; it is measured on first use."""
        return self.measure_profiles()
