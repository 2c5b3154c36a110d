"""Who a customer is by what they did: computed as of an instant from the events before it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from automation.types.profile import Lifecycle
from automation.warehouse.profiling.cuts import CUTS, cuts
from automation.warehouse.profiling.deriving import derive
from automation.warehouse.profiling.facts import facts
from automation.warehouse.profiling.kept import Built, select_profiles
from automation.warehouse.profiling.measures import Sources, measures
from automation.warehouse.profiling.numbering import view
from automation.warehouse.profiling.offsets import offsets


def kept_profiles(
    connection: Backend, folder: Path, built: Built, as_of: datetime, terms: Lifecycle | None = None
) -> ir.Table:
    """The kept profiles as of an instant after everything in them."""
    rows = view(connection, f"profiles_{built.number}", select_profiles(folder, built))
    cuts = {name: ibis.literal(built.cuts[name], type="float64") for name in CUTS}
    return derive(rows, cuts, as_of, terms or Lifecycle())


def profiles(
    customers: ir.Table,
    products: ir.Table,
    events: ir.Table,
    as_of: datetime,
    *,
    timezone: str = "UTC",
    terms: Lifecycle | None = None,
) -> ir.Table:
    """A profile of every customer, and of everybody else who bought or was written to.

    The tables hold what was known before `as_of`; columns as in `types.profile.PROFILE_COLUMNS`. `timezone` stands
    in for a customer's unknown one.
    """
    found = facts(events)
    named = customers.select(customer=customers.customer_id, zone=customers.timezone.fill_null(timezone))
    others = found.select("customer").distinct().anti_join(named, "customer")
    people = named.union(others.mutate(zone=ibis.literal(timezone)))
    shelf = products.select(product=products.product_id, category=products.category, brand=products.brand)
    known = customers.select("timezone").distinct().to_polars()["timezone"].drop_nulls()
    hours = ibis.memtable(offsets(sorted({*known, timezone}), as_of))
    measured = measures(Sources(found, people, shelf, hours))
    found = measured.cross_join(cuts(measured)).rename(customer_id="customer")
    return derive(found, {name: found[name] for name in CUTS}, as_of, terms or Lifecycle())
