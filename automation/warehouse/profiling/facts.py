"""The columns and events from which profiles are computed."""

from __future__ import annotations

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from automation import event_types

PURCHASE, OPEN, CLICK, SENT = range(4)
KINDS = {
    event_types.PURCHASE: PURCHASE,
    event_types.EMAIL_OPEN: OPEN,
    event_types.EMAIL_CLICK: CLICK,
    event_types.CLICK: CLICK,
    event_types.EMAIL_SENT: SENT,
}
MOST = 1e10  # a larger amount is an error and counts as missing
UNITS = 10_000  # money is summed in whole ten-thousandths, so that the order of adding doesn't change a sum


def select_facts(events: ir.Table) -> ir.Table:
    """customer, kind, at, day (UTC), act, product, units, discount.

    `act` is a purchase's order, or its day if it has none; for other events it is the message. `discount` is the
    discount as a share of the price, 0 to 1; null if events have no such column.
    """
    found = events.filter(events.type.isin(list(KINDS)))
    day = utc(found.occurred_at).date()
    has_discount = "discount" in found.columns
    return found.select(
        customer=found.customer_id,
        kind=found.type.cases(*KINDS.items()).cast("int64"),
        at=found.occurred_at,
        day=day,
        act=ibis.ifelse(
            found.type == event_types.PURCHASE,
            ibis.coalesce(found.order_id, day.cast("string")),
            ibis.coalesce(found.message_id, found.event_id),
        ),
        product=found.product_id,
        units=found.amount.between(-MOST, MOST).ifelse((found.amount * UNITS).round(), None).cast("int64"),
        discount=found.discount.cast("float64") if has_discount else ibis.null("float64"),
    )


def utc(at: ir.Value) -> ir.Value:
    """The instant as a timestamp without time zone, in UTC, so that DuckDB doesn't convert the zone of every row.

    For 4 M rows, days took 0.7 s and now take 0.06 s; years 0.8 and 0.06 s; whole seconds 2.8 and 0.1 s.
    """
    return _make_timestamp(micros(at))


def seconds(at: ir.Value) -> ir.Value:
    """Whole seconds since 1970, rounded down; DuckDB's own cast rounds to the nearest second."""
    return utc(at).truncate("s").epoch_seconds()


@ibis.udf.scalar.builtin(name="epoch_us", signature=((dt.Timestamp(timezone="UTC"),), dt.int64))  # type: ignore[untyped-decorator]
def micros(_at: object) -> int:
    """Whole microseconds since 1970."""
    raise NotImplementedError("DuckDB's own")


@ibis.udf.scalar.builtin(name="make_timestamp", signature=((dt.int64,), dt.timestamp))  # type: ignore[untyped-decorator]
def _make_timestamp(_micros: object) -> object:
    raise NotImplementedError("DuckDB's own")
