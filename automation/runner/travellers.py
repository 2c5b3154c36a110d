"""The people of journeys as the warehouse has them now: their traits, clocks and dates, and what holds for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import cached_property
from typing import Any

import ibis
import polars as pl

from automation.contracts import Snapshot
from automation.inbound.flush import flush_events
from automation.rules.compiler import evaluate
from automation.rules.engines import local_customers
from automation.types.condition import Condition
from automation.types.journey import Program
from automation.types.step import DayOf, WaitUntil
from automation.workspace.decision_mirror import refresh_mirror
from automation.workspace.models_in_use import active_versions
from automation.workspace.snapshots import snapshot
from automation.workspace.workspace import Workspace


class Travellers:
    """Opened when first asked: a round in which nobody moves reads no warehouse. Close it with the stack."""

    def __init__(self, workspace: Workspace, stack: ExitStack, now: datetime) -> None:
        self._workspace = workspace
        self._stack = stack
        self._now = now

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """The active version of each model."""
        return active_versions(self._workspace)

    @cached_property
    def data(self) -> Snapshot:
        """The warehouse with every event that came in, as of now."""
        workspace = self._workspace
        warehouse = workspace.warehouse()
        self._stack.callback(warehouse.close)
        flush_events(workspace, warehouse)
        refresh_mirror(workspace)
        return snapshot(workspace, warehouse, self._now, with_decisions=True, versions=self.versions)

    def people(self, customers: Sequence[str]) -> pl.DataFrame:
        """A row with the traits of each of these customers; of one that the warehouse lacks only the id."""
        ids = pl.DataFrame({"customer_id": pl.Series(list(dict.fromkeys(customers)), dtype=pl.String)})
        found: Any = local_customers(self.data).semi_join(ibis.memtable(ids), "customer_id").to_polars()
        return ids.join(found.with_columns(pl.col("customer_id").cast(pl.String)), on="customer_id", how="left")

    def with_clocks(self, entries: pl.DataFrame, program: Program) -> pl.DataFrame:
        """The entries with `timezone`, and `date_<node>` for the waits that need a date of the customer."""
        waits = {name: node.step.wait for name, node in program.nodes.items() if isinstance(node.step.wait, WaitUntil)}
        if not waits or entries.is_empty():
            return entries.with_columns(pl.lit(None, dtype=pl.String).alias("timezone"))
        people = self.people(entries["customer_id"].to_list())
        zone = pl.col("timezone") if "timezone" in people.columns else pl.lit(None, dtype=pl.String)
        dates = {name: wait.until.trait for name, wait in waits.items() if isinstance(wait.until, DayOf)}
        wanted = [_date(people, trait).alias(f"date_{name}") for name, trait in dates.items() if trait is not None]
        clocks = people.select("customer_id", zone.alias("timezone"), *wanted)
        return entries.join(clocks, on="customer_id", how="left", maintain_order="left")

    def holding(self, condition: Condition, customers: Sequence[str]) -> list[str]:
        """Those of these customers for whom the condition holds now."""
        among = pl.Series("customer_id", list(dict.fromkeys(customers)), dtype=pl.String)
        marked = evaluate([condition], self.data, self._workspace.project.registry, among=among)
        found: Any = marked.filter(marked.holds_0).select("customer_id").to_polars()["customer_id"]
        return [str(one) for one in found]


def _date(people: pl.DataFrame, trait: str) -> pl.Expr:
    """A trait as a date; null where it is none."""
    kind = people.schema.get(trait)
    if kind is None:
        return pl.lit(None, dtype=pl.Date)
    return pl.col(trait).str.to_date(strict=False) if kind == pl.String else pl.col(trait).cast(pl.Date)
