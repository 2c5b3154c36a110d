"""How fast a planned batch enters the ledger, against the driver's raw executemany of the same rows.

Both write every decision, message, status and cap entry of the batches into the same tables with the same indexes, one
durable transaction (WAL, synchronous=FULL) a batch of 1,000. Ours also numbers the decisions, makes the message ids and
guards the batch; the rival gets finished tuples.

Then the same messages beside 1.5 M old ones, by ids that begin with the run and the batch and by random ids: CPU time
of this process and bytes of the write-ahead log.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
from measure import Measure, arguments, median_seconds, report, say

from automation.clock import to_millis
from automation.ids import message_ids
from automation.store import launches, runs
from automation.store.driver import sqlite
from automation.store.engine import Store, open_store
from automation.store.ledger import ledger
from automation.types.run import RunKind

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
BATCH = 1_000
ROUNDS, OLD_ROUNDS = 5, 3
CONTEXT = '{"customer":{"first_name":"Ana","country":"DE","loyalty_tier":"gold"},"language":"de"}'
ITEMS = '[{"product_id":"p1","score":0.5,"reason":"because_you_bought","because":["p2"],"by":"similar"}]'


def rows(no: int) -> pl.DataFrame:
    """A batch of messages as the pipeline hands it over."""
    at = to_millis(NOW)
    fixed = {
        "step": "send", "visit": 0,
        "outcome": "message", "reason": "selected", "detail": "", "variant": "plain", "offer": "pct10", "items": ITEMS,
        "passed_over": "{}", "propensities": '{"arm":{"holdout":0.1,"contacted":0.9}}', "channel": "email",
        "due_at": at, "expires_at": at + 86_400_000, "quiet_hours": None, "quiet_zone": None,
        "template": "winback", "context": CONTEXT, "coupon": None,
    }  # fmt: skip
    ids = [f"c{no * BATCH + n:07d}" for n in range(BATCH)]
    frame = pl.DataFrame({"customer_id": ids, "address": [f"{i}@shop.example" for i in ids]})
    kinds = {**ledger.DECISION_COLUMNS, **ledger.MESSAGE_COLUMNS}
    return frame.with_columns(pl.lit(value, dtype=kinds[name]).alias(name) for name, value in fixed.items())


def frozen_run(store: Store, batches: int, key: str) -> int:
    with store.transaction() as connection:
        launch_id = launches.launch(
            connection, campaign="winback", text="", templates={}, plugins={}, by="", approved_by=None, audience=None,
            now=NOW,
        )  # fmt: skip
        run = runs.claim(
            connection, campaign="winback", kind=RunKind.MANUAL, due_key=key, due_at=NOW, launch_id=launch_id, now=NOW
        )
        assert run is not None
        runs.freeze(connection, run.id, [[str(n)] for n in range(batches)], as_of=NOW, versions={})
    return run.id


def prepared(folder: Path, batches: int) -> tuple[Store, int]:
    """An empty store with a frozen run."""
    store = open_store(folder / "store.db")
    return store, frozen_run(store, batches, "once")


def ours(store: Store, run_id: int, batches: list[pl.DataFrame]) -> None:
    for no, batch in enumerate(batches):
        with store.transaction() as connection:
            ledger.plan(
                connection, run_id=run_id, batch_no=no, epoch=0, campaign="winback", topic="promotions", rows=batch,
                content="{}", secret=store.id_secret, now=NOW,
            )  # fmt: skip


DECISION = (
    "INSERT INTO decision (id, entry, customer_id, outcome, reason, detail, variant, offer, items, propensities, step, "
    "visit, run_id, batch_no, campaign, decided_at) VALUES (" + ",".join("?" * 16) + ")"
)
MESSAGE = (
    "INSERT INTO message (id, decision_id, customer_id, channel, address, recipient, quiet_hours, quiet_zone, "
    "template, context, run_id, batch_no, topic) VALUES (" + ",".join("?" * 13) + ")"
)
STATUS = (
    "INSERT INTO message_status (message_id, decision_id, queue, due_at, expires_at, run_id, state, attempt) "
    "VALUES (" + ",".join("?" * 8) + ")"
)
CONTACT = (
    "INSERT INTO cap_entry (message_id, customer_id, recipient, channel, at, topic, campaign) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)


def finished_tuples(batches: list[pl.DataFrame]) -> list[list[list[tuple[Any, ...]]]]:
    """What raw executemany is given: every value settled."""
    at, first = to_millis(NOW), 1
    made: list[list[list[tuple[Any, ...]]]] = []
    for no, batch in enumerate(batches):
        decisions: list[tuple[Any, ...]] = []
        messages: list[tuple[Any, ...]] = []
        statuses: list[tuple[Any, ...]] = []
        contacts: list[tuple[Any, ...]] = []
        keys = [f"1|{customer}||send|0|email" for customer in batch["customer_id"]]
        identities = message_ids(b"key", keys, run_id=1, batch_no=no)
        for n, row in enumerate(batch.iter_rows(named=True)):
            decisions.append((
                first + n, f"1|{row['customer_id']}|", row["customer_id"], row["outcome"], row["reason"], row["detail"],
                row["variant"], row["offer"], row["items"], row["propensities"], "send", 0, 1, no, "winback", at,
            ))  # fmt: skip
            messages.append((
                identities[n], first + n, row["customer_id"], "email", row["address"], row["address"], None, None,
                row["template"], row["context"], 1, no, "promotions",
            ))  # fmt: skip
            statuses.append((
                identities[n], first + n, "email|1|shop.example", row["due_at"], row["expires_at"], 1, "queued", 0,
            ))  # fmt: skip
            contacts.append((
                identities[n], row["customer_id"], row["address"], "email", row["due_at"], "promotions", "winback",
            ))  # fmt: skip
        made.append([decisions, messages, statuses, contacts])
        first += batch.height
    return made


def raw(path: Path, batches: list[list[list[tuple[Any, ...]]]]) -> None:
    connection = opened(path)
    for decisions, messages, statuses, contacts in batches:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(DECISION, decisions)
        connection.executemany(MESSAGE, messages)
        connection.executemany(STATUS, statuses)
        connection.executemany(CONTACT, contacts)
        connection.execute("COMMIT")
    connection.close()


def opened(path: Path) -> Any:
    connection = sqlite.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


OLD = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?),
  old(id, i) AS MATERIALIZED (SELECT iif(?, printf('%08x%06x', 9, i / 1000), lower(hex(randomblob(7)))) ||
    lower(hex(randomblob(9))), i FROM n ORDER BY 1)
"""
OLD_MESSAGES = (
    OLD
    + """INSERT INTO message (id, decision_id, run_id, batch_no, customer_id, channel, topic, address,
  recipient, template, context) SELECT id, i + 100000000, 9, i / 1000, 'c' || i, 'email', 'promotions',
  'c' || i || '@x.example', 'c' || i || '@x.example', 'winback', ? FROM old"""
)
OLD_STATUSES = """INSERT INTO message_status (message_id, decision_id, run_id, queue, due_at, state, attempt)
  SELECT id, decision_id, 9, 'email|9|', 1, 'sent', 1 FROM message ORDER BY id"""


def beside_old_rows(folder: Path, batches: list[list[list[tuple[Any, ...]]]], old: int, *, near: bool) -> list[float]:
    """CPU microseconds and bytes of log that a message takes beside so many old ones. near: ids begin with the run."""
    store, _ = prepared(folder, 1)
    store.close()
    connection = opened(Path(str(store.engine.url.database)))
    connection.execute(OLD_MESSAGES, (old, near, CONTEXT))
    connection.execute(OLD_STATUSES)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    taken, count = 0.0, 0
    for _, messages, statuses, _ in batches:
        ids = [row[0] if near else secrets.token_hex(16) for row in messages]
        named = [[(id_, *row[1:]) for id_, row in zip(ids, rows_, strict=True)] for rows_ in (messages, statuses)]
        started = time.process_time()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(MESSAGE, named[0])
        connection.executemany(STATUS, named[1])
        connection.execute("COMMIT")
        taken += time.process_time() - started
        count += len(messages)
    log = Path(f"{store.engine.url.database}-wal").stat().st_size
    connection.close()
    return [taken * 1e6 / count, log / count]


def old_rows(batches: list[list[list[tuple[Any, ...]]]], old: int) -> list[Measure]:
    """Ids that begin with run and batch, and random ids, in turn."""
    found: dict[bool, list[list[float]]] = {True: [], False: []}
    for _ in range(OLD_ROUNDS):
        for near, taken in found.items():
            with tempfile.TemporaryDirectory() as folder:
                taken.append(beside_old_rows(Path(folder), batches, old, near=near))
    (cpu, log), (their_cpu, their_log) = (
        [median(one) for one in zip(*found[near], strict=True)] for near in (True, False)
    )
    said = f"a message beside {old:,} old ones"
    return [
        Measure(f"CPU of {said}", cpu, "us", their_cpu, cpu / their_cpu, "ratio <= 0.7"),
        Measure(f"log of {said}", log, "bytes", their_log, log / their_log, "ratio <= 0.3"),
    ]


def main() -> int:
    chosen = arguments(__doc__ or "")
    count = 20 if chosen.quick else 100
    batches = [rows(no) for no in range(count)]
    tuples = finished_tuples(batches)
    with tempfile.TemporaryDirectory() as top:
        stores = [prepared(Path(top) / str(n), count) for n in range(2 * ROUNDS)]  # outside the clock
        for_us, for_raw = iter(stores[:ROUNDS]), iter(stores[ROUNDS:])
        taken = median_seconds(
            {
                "ours": lambda: ours(*next(for_us), batches),
                "raw": lambda: raw(Path(str(next(for_raw)[0].engine.url.database)), tuples),
            },
            ROUNDS,
        )
        for store, _ in stores:
            store.close()
    say(f"{count * BATCH:,} decisions with a message and a cap entry each, {ROUNDS} rounds in turn, medians")
    written = count * BATCH
    return report(
        [
            Measure(
                "ledger batch insert", written / taken["ours"], "decisions/s", written / taken["raw"],
                taken["raw"] / taken["ours"], "ratio >= 0.6",
            ),
            *old_rows(tuples[:20], 200_000 if chosen.quick else 1_500_000),
        ],
        chosen.format,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
