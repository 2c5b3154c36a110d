"""Every member of a run's audience with what became of them, a slice at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis
from automation.store import runs
from automation.store.engine import table
from automation.store.tables import Batch

_SLICE = 20_000
_batch = table(Batch)

PEOPLE = pl.Schema(
    {
        "customer_id": pl.String(),
        "outcome": pl.String(),  # a part of the run's account: sent, holdout, suppressed …
        "reason": pl.String(),
        "detail": pl.String(),
        "variant": pl.String(),
        "offer": pl.String(),
        "coupon": pl.String(),
        "step": pl.String(),
        "channel": pl.String(),
        "address": pl.String(),
        "message_id": pl.String(),
        "due_at": pl.Datetime("us", "UTC"),
        "settled_at": pl.Datetime("us", "UTC"),
    }
)
_TIMES = ("due_at", "settled_at")


def read_people(
    reading: Callable[[], AbstractContextManager[Connection]], run_id: int, outcomes: Collection[str] = ()
) -> Iterator[pl.DataFrame]:
    """Frames of `PEOPLE`, one row for each decision, then the members who are not decided about yet.

    Each frame shows the store as it is then, since whoever takes them may be slow. outcomes: only these parts of the
    account; none: all of them.
    """
    after, unplanned = 0, list[int]()
    while True:
        with reading() as connection:
            rows = connection.execute(_NEXT, {"run": run_id, "after": after, "most": _SLICE}).fetchall()
            if not rows:  # in one view: nobody is planned in between
                unplanned = _frozen_batches(connection, run_id)
                break
        after = rows[-1][0]
        values = [(*row[1:-2], *(None if at is None else from_millis(at) for at in row[-2:])) for row in rows]
        frame = pl.DataFrame(values, schema=PEOPLE, orient="row")
        yield frame.filter(pl.col("outcome").is_in(list(outcomes))) if outcomes else frame
    if not outcomes or "unplanned" in outcomes:
        yield from _unplanned(reading, run_id, unplanned)


def _frozen_batches(connection: Connection, run_id: int) -> list[int]:
    query = sa.select(_batch.c.no).where(_batch.c.run_id == run_id, _batch.c.state == "frozen").order_by(_batch.c.no)
    return list(connection.execute(query).scalars())


def _unplanned(
    reading: Callable[[], AbstractContextManager[Connection]], run_id: int, batches: Sequence[int]
) -> Iterator[pl.DataFrame]:
    for no in batches:
        with reading() as connection:
            members = pl.DataFrame({"customer_id": runs.members(connection, run_id, no)})
        others = {name: kind for name, kind in PEOPLE.items() if name != "customer_id"}
        nothing = (pl.lit(None, dtype=kind).alias(name) for name, kind in others.items())
        yield members.with_columns(nothing).with_columns(pl.lit("unplanned").alias("outcome"))


_NEXT = sa.text(
    """
    SELECT d.id, d.customer_id, coalesce(s.state, d.outcome) AS standing,
           CASE WHEN s.reason IS NULL OR s.reason = '' THEN d.reason ELSE s.reason END,
           d.detail, d.variant, d.offer, k.code, d.step, m.channel, m.address, m.id, s.due_at, s.settled_at
    FROM decision d
    LEFT JOIN message m ON m.decision_id = d.id AND d.outcome = 'message' AND m.id = (
        SELECT l.id FROM message l JOIN message_status t ON t.message_id = l.id WHERE l.decision_id = d.id
        ORDER BY t.state IN ('queued', 'sending', 'sent', 'ambiguous') DESC, t.settled_at DESC LIMIT 1)
    LEFT JOIN message_status s ON s.message_id = m.id
    LEFT JOIN coupon k ON k.message_id = m.id
    WHERE d.run_id = :run AND d.id > :after
    ORDER BY d.id LIMIT :most
    """
)
