"""Customer profiles as of an instant: read from the kept tables, or computed from the events before the instant."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir

from automation.types.profile import Lifecycle
from automation.warehouse.profiling.cut_points import CUT_POINTS, compute_cut_points
from automation.warehouse.profiling.deriving import derive_profiles
from automation.warehouse.profiling.facts import select_facts
from automation.warehouse.profiling.kept_tables import ProfileBuild, select_profiles
from automation.warehouse.profiling.measures import MeasureInputs, compute_measures
from automation.warehouse.profiling.numbering import create_view
from automation.warehouse.profiling.offsets import list_offsets

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend


def read_kept_profiles(
    connection: Backend, folder: Path, build: ProfileBuild, as_of: datetime, lifecycle: Lifecycle | None = None
) -> ir.Table:
    """The kept profiles as of an instant that is later than everything in them."""
    rows = create_view(connection, f"profiles_{build.number}", select_profiles(folder, build))
    cut_points = {name: ibis.literal(build.cut_points[name], type="float64") for name in CUT_POINTS}
    return derive_profiles(rows, cut_points, as_of, lifecycle or Lifecycle())


def compute_profiles(
    customers: ir.Table,
    products: ir.Table,
    events: ir.Table,
    as_of: datetime,
    *,
    timezone: str = "UTC",
    lifecycle: Lifecycle | None = None,
) -> ir.Table:
    """A profile of every customer, and of every other id with a purchase or a message.

    The tables hold what was known before `as_of`; columns as in `types.profile.PROFILE_COLUMNS`. `timezone` is used for
    customers without one.
    """
    found = select_facts(events)
    named = customers.select(customer=customers.customer_id, zone=customers.timezone.fill_null(timezone))
    others = found.select("customer").distinct().anti_join(named, "customer")
    people = named.union(others.mutate(zone=ibis.literal(timezone)))
    catalogue = products.select(product=products.product_id, category=products.category, brand=products.brand)
    known = customers.select("timezone").distinct().to_polars()["timezone"].drop_nulls()
    hours = ibis.memtable(list_offsets(sorted({*known, timezone}), as_of))
    measured = compute_measures(MeasureInputs(found, people, catalogue, hours))
    found = measured.cross_join(compute_cut_points(measured)).rename(customer_id="customer")
    return derive_profiles(found, {name: found[name] for name in CUT_POINTS}, as_of, lifecycle or Lifecycle())
