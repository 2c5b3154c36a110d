"""Freezes an audience: one query for all customers, written in a salted-hash order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
import polars as pl

from automation.contracts import Snapshot
from automation.ids import stable_hash
from automation.pipeline.top import Reach, rank_file, take_top
from automation.plugin_manager import Registry
from automation.rules.compiler import evaluate, select_audience
from automation.rules.engines import local_customers
from automation.rules.ranking import rank_customers
from automation.types.condition import Audience, Condition, leaves
from automation.warehouse.batch_file import BATCH, ROW_GROUP, BatchFile, keep, write_batches

if TYPE_CHECKING:
    import ibis.expr.types as ir

BATCH_SIZE = 1_000


class FrozenAudience(BatchFile):
    """A run's audience on disk, ordered by batch.

    Columns: customer_id, batch, the value of every rule leaf (`leaf_<n>`; a segment's score and reasons as `score_<n>`
    and `reasons_<n>`), of every condition of the offer policy (`when_<n>`), and the customer's traits.
    """


def freeze(
    wanted: Audience,
    when: Sequence[Condition],
    data: Snapshot,
    registry: Registry,
    *,
    salt: str,
    path: Path,
    reach: Reach | None = None,
    but: Sequence[str] = (),
    batch_size: int = BATCH_SIZE,
) -> list[list[str]]:
    """Write the audience to `path`; returns the ids of each batch, in the order in which they are planned.

    The order is a hash of run and customer, so that a limited budget isn't spent on low ids. With `top`, everybody who
    has a place is written to `rank_file(path)`, as `take_top` gives it. but: customers for tests, who are in no
    audience.
    """
    connection = data.connection
    meant = _meant(wanted, data, registry, salt, but)
    wanted_rows = _with_conditions(meant, when, data, registry)
    members = connection.create_table(
        f"members_{path.stem}", _with_scores(wanted_rows, wanted, data), temp=True, overwrite=True
    )
    try:
        if wanted.top is None:
            ids: pl.Series = members.select("customer_id").to_polars()["customer_id"].cast(pl.String)
        else:
            places = _ranked(members, wanted, data, reach)
            path.parent.mkdir(parents=True, exist_ok=True)
            places.write_parquet(rank_file(path))
            ids = places.filter(pl.col("taken"))["customer_id"]
        order = _in_batches(ids, salt, batch_size)
        placed = connection.create_table(f"order_{path.stem}", order, temp=True, overwrite=True)
        rows = members.inner_join(placed, "customer_id").inner_join(local_customers(data), "customer_id")
        write_batches(rows, ["customer_id"], path)
        connection.drop_table(f"order_{path.stem}")
    finally:
        connection.drop_table(f"members_{path.stem}")
    return _members(order)


def freeze_again(
    wanted: Audience,
    when: Sequence[Condition],
    data: Snapshot,
    registry: Registry,
    *,
    members: Sequence[Sequence[str]],
    path: Path,
) -> None:
    """Write the file of an audience again whose batches are known: the values as the warehouse has them now.

    A customer who is no longer in the warehouse keeps the place, without traits.
    """
    order = _places(members)
    marked = evaluate([wanted.condition], data, registry, among=order["customer_id"]).drop("holds_0")
    rows = _with_scores(_with_conditions(marked, when, data, registry), wanted, data)
    known = rows.inner_join(local_customers(data), "customer_id")
    held = [name for name in known.columns if name.startswith(("leaf_", "when_"))]
    placed = ibis.memtable(order).left_join(known, "customer_id").drop("customer_id_right")
    write_batches(placed.mutate(**{name: placed[name].fill_null(False) for name in held}), ["customer_id"], path)


def select_members(
    wanted: Audience, data: Snapshot, registry: Registry, *, salt: str, reach: Reach | None, but: Sequence[str] = ()
) -> pl.Series:
    """The ids of the members without freezing them."""
    meant = _meant(wanted, data, registry, salt, but)
    if wanted.top is None:
        found: pl.Series = meant.select("customer_id").to_polars()["customer_id"].cast(pl.String)
        return found
    return _ranked(meant, wanted, data, reach).filter(pl.col("taken"))["customer_id"]


def rank_members(
    wanted: Audience, data: Snapshot, registry: Registry, *, reach: Reach | None, but: Sequence[str] = ()
) -> pl.DataFrame:
    """Everybody who has a place in the order of `top`, as `take_top` gives them."""
    return _ranked(_meant(wanted, data, registry, "", but), wanted, data, reach)


def _meant(wanted: Audience, data: Snapshot, registry: Registry, salt: str, but: Sequence[str]) -> ir.Table:
    """Everybody for whom the condition holds, after `sample`, without customers for tests."""
    everybody = select_audience(wanted, data, registry, salt=salt)
    return everybody.filter(everybody.customer_id.notin(but)) if but else everybody


def _ranked(members: ir.Table, wanted: Audience, data: Snapshot, reach: Reach | None) -> pl.DataFrame:
    """Everybody with a value to be ranked by, as `take_top` gives them."""
    assert wanted.by is not None
    ranked = rank_customers(members, wanted.by, data).to_polars().with_columns(pl.col("customer_id").cast(pl.String))
    everybody = local_customers(data)

    def traits(ids: pl.Series) -> pl.DataFrame:
        some = ibis.memtable(pl.DataFrame({"customer_id": ids}))
        found: pl.DataFrame = everybody.semi_join(some, "customer_id").to_polars()
        return found

    return take_top(ranked, wanted, reach, traits)


def write_people(people: pl.DataFrame, *, salt: str, path: Path, batch_size: int = BATCH_SIZE) -> list[list[str]]:
    """`freeze` for people who are given: `customer_id` and traits, one row each. Returns the ids of each batch."""
    order = _in_batches(people["customer_id"], salt, batch_size)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    order.join(people, on="customer_id", maintain_order="left").write_parquet(partial, row_group_size=ROW_GROUP)
    keep(partial, path)
    return _members(order)


def _members(order: pl.DataFrame) -> list[list[str]]:
    return [part["customer_id"].to_list() for part in order.partition_by(BATCH, maintain_order=True)]


def _places(members: Sequence[Sequence[str]]) -> pl.DataFrame:
    """customer_id and batch, of known batches."""
    ids = pl.DataFrame({"customer_id": members}, schema={"customer_id": pl.List(pl.String)})
    return ids.with_row_index(BATCH).with_columns(pl.col(BATCH).cast(pl.Int32)).explode("customer_id")


def _with_conditions(members: ir.Table, when: Sequence[Condition], data: Snapshot, registry: Registry) -> ir.Table:
    if not when:
        return members
    marked = evaluate(when, data, registry)
    held = marked.select("customer_id", **{f"when_{n}": marked[f"holds_{n}"] for n in range(len(when))})
    return members.inner_join(held, "customer_id")


def _with_scores(members: ir.Table, wanted: Audience, data: Snapshot) -> ir.Table:
    """Add `score_<n>` and `reasons_<n>` of every leaf that looks at a segment, for `explain`."""
    for n, leaf in enumerate(leaves(wanted.condition)):
        if leaf.key == "segment":
            found = data.segments[vars(leaf.options)["segment"]]
            scores = found.select("customer_id", **{f"score_{n}": found.score, f"reasons_{n}": found.reasons})
            members = members.left_join(scores, "customer_id").drop("customer_id_right")
    return members


def _in_batches(ids: pl.Series, salt: str, batch_size: int) -> pl.DataFrame:
    """customer_id and batch, in the order of planning."""
    frame = pl.DataFrame({"customer_id": ids}).with_columns(pl.Series("place", stable_hash(salt, ids)))
    frame = frame.sort("place", "customer_id").drop("place").with_row_index("position")
    return frame.select("customer_id", (pl.col("position") // batch_size).cast(pl.Int32).alias("batch")).sort(
        "batch", "customer_id"
    )
