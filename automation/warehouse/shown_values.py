"""What texts show of each customer of a run: fields of the profile, and the last order with its products.

A row for each product of the last order, and one for a customer without; the columns are `profile.FIELD`,
`last_order.FIELD` and `line.FIELD`. Amounts are summed in whole ten-thousandths, as profiles do.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
import polars as pl

from automation.event_types import PURCHASE
from automation.fetching import fetch
from automation.types.shown_values import LAST_ORDER, LINES, PROFILE, ShownValues
from automation.warehouse.batch_file import BATCH, BatchFile, write_batches
from automation.warehouse.profiling.facts import MOST, UNITS, micros, utc

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from automation.contracts import Snapshot

MAX_LINES = 50
"""The products of an order that texts can list."""
LINE = "line"
PRODUCT_FIELDS = ("name", "category", "brand", "url", "image_url")
_LINE_FIELDS = ("product_id", "quantity", "amount", *PRODUCT_FIELDS)
_RANK = f"{LINE}.rank"
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_PIECES = 1e6  # more of one product in one order is an error and counts as one


def read_shown_values(snapshot: Snapshot, shown: ShownValues, customers: pl.Series) -> pl.DataFrame:
    """The values of these customers. It looks through all events; what a run's batches need is written once."""
    ids = pl.DataFrame({"customer_id": customers.cast(pl.String)}).with_columns(pl.lit(0, pl.Int32).alias(BATCH))
    found: pl.DataFrame = _values(snapshot, shown, ids).order_by("customer_id", *_order(shown)).drop(BATCH).to_polars()
    return found


def freeze_shown_values(snapshot: Snapshot, shown: ShownValues, members: Path, path: Path) -> BatchFile:
    """The values of every member of a run, by batch; written if they aren't yet, in one query.

    members: the file with the run's frozen audience (`customer_id` and `batch`).
    """
    if not path.exists():
        ids = pl.read_parquet(members, columns=["customer_id", BATCH])
        write_batches(_values(snapshot, shown, ids), ("customer_id", *_order(shown)), path)
    return BatchFile(path)


def _order(shown: ShownValues) -> tuple[str, ...]:
    return (_RANK,) if LINES in shown.last_order else ()


def _values(data: Snapshot, shown: ShownValues, ids: pl.DataFrame) -> ir.Table:
    people = ibis.memtable(ids.select("customer_id", BATCH))
    found = people
    if shown.profile:
        fields = data.profiles
        wanted = {f"{PROFILE}.{name}": fields[name] for name in shown.profile}
        found = _beside(found, fields.select("customer_id", **wanted))
    if shown.last_order:
        bought = _last_order(data, people)
        found = _beside(found, _totals(data, bought, [name for name in shown.last_order if name != LINES]))
        if LINES in shown.last_order:
            found = _beside(found, _lines(data, bought))
    return found


def _beside(found: ir.Table, more: ir.Table) -> ir.Table:
    return found.left_join(more, "customer_id").drop("customer_id_right")


def _last_order(data: Snapshot, people: ir.Table) -> ir.Table:
    """The purchases of each customer's last order; without order ids a day (UTC) is an order, as in profiles."""
    events = data.events
    bought = events.filter(events.type == PURCHASE).semi_join(people, "customer_id")
    bought = bought.select("customer_id", "product_id", "order_id", "quantity", "amount", at=bought.occurred_at)
    if events.get_backend() is not data.connection:
        bought = fetch(bought, data.connection)
    act = ibis.coalesce(bought.order_id, utc(bought["at"]).date().cast("string"))
    pieces = bought.quantity.between(0, _MOST_PIECES).ifelse(bought.quantity, None)
    units = bought.amount.between(-MOST, MOST).ifelse((bought.amount * UNITS).round(), None).cast("int64")
    bought = bought.mutate(act=act, pieces=pieces.fill_null(1.0), units=units)
    orders = bought.group_by("customer_id", "act").aggregate(last=bought["at"].max())
    place = ibis.row_number().over(ibis.window(group_by="customer_id", order_by=[ibis.desc("last"), ibis.desc("act")]))
    newest = orders.mutate(place=place)
    newest = newest.filter(newest.place == 0).select("customer_id", "act")
    return bought.semi_join(newest, ["customer_id", "act"])


def _totals(data: Snapshot, bought: ir.Table, fields: list[str]) -> ir.Table:
    whole = bought.group_by("customer_id").aggregate(
        id=bought.order_id.max(),
        day=bought["at"].max(),
        product_count=bought.product_id.nunique(),
        known=bought.units.count() == bought.count(),
        units=bought.units.sum().cast("int64"),
    )
    now = (data.as_of - _EPOCH) // timedelta(microseconds=1)
    values = {
        "id": whole.id,
        "day": whole.day,
        "days_since": (now - micros(whole.day)) // (_DAY // timedelta(microseconds=1)),
        "total": whole.known.ifelse(whole.units / float(UNITS), None),
        "product_count": whole.product_count,
    }
    return whole.select("customer_id", **{f"{LAST_ORDER}.{name}": values[name] for name in fields})


def _lines(data: Snapshot, bought: ir.Table) -> ir.Table:
    """A row for each product, the most expensive first; products that are no longer in the catalogue have no name."""
    named = bought.filter(bought.product_id.notnull())
    lines = named.group_by("customer_id", "product_id").aggregate(
        quantity=named.pieces.sum(), known=named.units.count() == named.count(), units=named.units.sum().cast("int64")
    )
    lines = lines.mutate(amount=lines.known.ifelse(lines.units / float(UNITS), None))
    first = ibis.window(group_by="customer_id", order_by=[lines.amount.fill_null(-MOST).desc(), lines.product_id])
    lines = lines.mutate(rank=ibis.row_number().over(first))
    lines = lines.filter(lines["rank"] < MAX_LINES)
    products = data.products.select("product_id", *PRODUCT_FIELDS)
    if products.get_backend() is not data.connection:
        products = fetch(products, data.connection)
    lines = lines.left_join(products, "product_id").drop("product_id_right")
    wanted = {f"{LINE}.{name}": lines[name] for name in (*_LINE_FIELDS, "rank")}
    return lines.select("customer_id", **wanted)
