"""When a message may leave: the customer's own wall clock, and quiet hours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from automation.clock import to_millis
from automation.types.schedule import Hours

FOREVER = timedelta(days=365)
DEFAULT_LATENESS = timedelta(hours=24)


def send_times(
    batch: pl.DataFrame, *, at: datetime, local: datetime | None, shop_zone: str, quiet: Hours | None
) -> pl.Series:
    """Milliseconds since 1970 at which each customer's message is due.

    at: the run's due instant. local: the due wall time (naive) where the campaign runs in `timezone: customer`; a
    customer with an unknown zone, or none, has the shop's. quiet: the hours during which nothing leaves, also on
    the customer's own clock. Work is done once a zone, not once a customer.
    """
    zones = _zones(batch, shop_zone)
    instants = {zone: to_millis(_leave(zone, shop_zone, at, local, quiet)) for zone in zones.unique()}
    return zones.replace_strict(instants, return_dtype=pl.Int64).cast(pl.Int64).alias("due_at")


def zone_names(batch: pl.DataFrame, shop_zone: str) -> pl.Series:
    """Each customer's time zone (String); the shop's for an unknown zone, or none."""
    zones = _zones(batch, shop_zone)
    known = {zone: zone_or_default(zone, shop_zone).key for zone in zones.unique()}
    return zones.replace_strict(known, return_dtype=pl.String)


def _zones(batch: pl.DataFrame, shop_zone: str) -> pl.Series:
    if "timezone" not in batch.columns:
        return pl.Series("timezone", [shop_zone] * batch.height, dtype=pl.String)
    return batch["timezone"].fill_null(shop_zone)


def _leave(zone: str, shop_zone: str, at: datetime, local: datetime | None, quiet: Hours | None) -> datetime:
    there = zone_or_default(zone, shop_zone)
    instant = instant_of(local, there) if local is not None else at
    return after_quiet_hours(instant, there, quiet) if quiet else instant


def zone_or_default(name: str, otherwise: str) -> ZoneInfo:
    """The zone of that name; an unknown one never stops a batch."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(otherwise)


def instant_of(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a wall time: the first of two in the autumn; in the spring gap, the gap's length later.

    Where that would be the next day, as at 23:30 in a gap that ends at midnight, it is the gap's length earlier.
    """
    found = _instant_or_later(local, zone)
    if found.astimezone(zone).date() == local.date():
        return found
    earlier = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return earlier if earlier.astimezone(zone).date() == local.date() else found


def _instant_or_later(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a wall time, never one at which the clock shows less."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def after_quiet_hours(instant: datetime, zone: ZoneInfo, quiet: Hours) -> datetime:
    """The instant itself, or the end of the quiet hours that it falls into."""
    start, end = quiet.start, quiet.end
    here = instant.astimezone(zone)
    clock = here.time()
    inside: Callable[[], bool] = (
        (lambda: start <= clock < end) if start <= end else (lambda: clock >= start or clock < end)
    )
    if not inside():
        return instant
    day = here.date() + timedelta(days=1 if start > end and clock >= start else 0)
    return _instant_or_later(datetime.combine(day, end), zone)
