"""What planning a batch costs in a shop of four times the size: the work of a batch must not grow with the shop.

Two shops side by side, the second with four times the customers, events and earlier decisions. Both plan batches of
1,000 in turn: who may be contacted, recommendations without what was bought before, caps, and the ledger. CPU time of
this process, medians; the first batch after a start is left out, since it also pays for what a run does once.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

import polars as pl
from deltalake import DeltaTable
from large_shop import END, make
from measure import Measure, arguments, report, say
from store_writes import NOW, rows

from automation.clock import ManualClock
from automation.runner.claim import claim
from automation.runner.launch import launch
from automation.runner.run import advance
from automation.schedule.due_times import Due
from automation.store import runs
from automation.store.ledger import ledger
from automation.store.people import consent, migration
from automation.types.run import RunKind
from automation.workspace.decision_mirror import FETCHED, read_mirror, refresh_mirror
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace

CONFIG = """
shop: {name: Lindholm, timezone: Europe/Berlin, email: hi@shop.example, address: Street 1}
topics: {promotions: marketing}
caps: {total: [2 per 7d]}
channels:
  email: {using: file, options: {folder: var/outbox}}
"""
CAMPAIGN = """
name: winback
topic: promotions
schedule: {every: day 09:00}
audience: {not_contacted: 1d}
recommend: {using: popular, items: 4, exclude: [purchased]}
send: {channels: [email], template: winback}
"""
BODY = '<p>{{ customer.first_name }}</p><a href="{{ links.unsubscribe }}">unsubscribe</a>'
BATCHES = 10


@dataclass
class Shop:
    """A shop with a run that is being planned, and what each of its batches took."""

    workspace: Workspace
    run_id: int
    seconds: list[float] = field(default_factory=list)

    def plan(self, batches: int) -> float:
        """Plan some batches more; returns what everything before the first of them took."""
        marks: list[float] = []

        def halted() -> bool:
            marks.append(time.process_time())
            return len(marks) > batches + 1

        started = time.process_time()
        advance(self.workspace, LaunchedCampaigns(self.workspace.project), self.run_id, halted=halted)
        self.seconds += [after - before for before, after in pairwise(marks[1:])]
        return marks[1] - started


def make_shop(root: Path, customers: int, events: int, earlier: int) -> Shop:
    """The shop, its consents, earlier runs by the ledger's own tables, and a run whose audience is frozen."""
    for name, text in {
        "config.yaml": CONFIG, "campaigns/winback.yaml": CAMPAIGN, "templates/winback/email.html": BODY,
        "templates/winback/en.yaml": "subject: Hello\n",
    }.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    workspace = open_workspace(root, clock=ManualClock(END))
    raw = make(root / "raw", customers, events, seed=1)
    folder = workspace.project.data_dir / "warehouse"
    for table in ("customers", "products"):
        shutil.copytree(raw / table, folder / table)
    warehouse = workspace.warehouse()
    warehouse.append_events(_frames(raw / "events"))
    warehouse.close()
    shutil.rmtree(raw)
    ids = [f"c{number:07d}" for number in range(customers)]
    with workspace.store.transaction() as connection:
        consent.record(
            connection, ids, channel="email", topic="promotions", granted=True, at=END - timedelta(days=9), source="",
        )  # fmt: skip
        migration.record(connection, "nothing", by="test", now=END, detail="a benchmark")
    launch(workspace, "winback", by="test", audience=None)
    _decide_earlier(workspace, earlier)
    run = claim(workspace, "winback", Due(RunKind.MANUAL, "now", END))
    assert run is not None
    return Shop(workspace, run.id)


def _frames(table: Path) -> Iterator[pl.DataFrame]:
    for file in DeltaTable(table).file_uris():
        yield from pl.read_parquet(file).iter_slices(100_000)


def _decide_earlier(workspace: Workspace, count: int) -> None:
    """A run of a year ago with this many messages."""
    at = END - timedelta(days=365)
    run = claim(workspace, "winback", Due(RunKind.MANUAL, "earlier", at))
    assert run is not None
    batches = count // 1_000
    with workspace.store.transaction() as connection:
        runs.freeze(connection, run.id, [[str(no)] for no in range(batches)], as_of=at, versions={})
    for no in range(batches):
        with workspace.store.transaction() as connection:
            ledger.plan(
                connection, run_id=run.id, batch_no=no, epoch=0, campaign="winback", topic="promotions",
                rows=rows(no).with_columns(due_at=pl.col("due_at") - _millis(NOW - at)), content="{}",
                secret=workspace.store.id_secret, now=at,
            )  # fmt: skip


def _millis(span: timedelta) -> int:
    return int(span.total_seconds() * 1_000)


def mirrored(workspace: Workspace) -> int:
    """Count the decisions as the audience rules see them."""
    warehouse = workspace.warehouse()
    try:
        return int(read_mirror(workspace, warehouse.connection).count().to_polars())
    finally:
        warehouse.close()


def cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> int:
    chosen = arguments(__doc__ or "")
    customers, events, earlier, rounds = (
        (15_000, 300_000, 20_000, 1) if chosen.quick else (50_000, 1_000_000, 100_000, 3)
    )
    with tempfile.TemporaryDirectory() as top:
        small, large = (
            make_shop(Path(top) / str(times), customers * times, events * times, earlier * times) for times in (1, 4)
        )
        every = [cpu(partial(mirrored, shop.workspace)) for shop in (small, large)]
        starts = [shop.plan(1) for shop in (small, large)]
        from_files = [cpu(partial(mirrored, shop.workspace)) for shop in (small, large)]
        for _ in range(rounds):
            for shop in (small, large):
                shop.plan(BATCHES)
        for shop in (small, large):
            refresh_mirror(shop.workspace)
            shop.workspace.store.close()
    ours, theirs = median(large.seconds) * 1_000, median(small.seconds) * 1_000
    say(f"{customers:,} customers, {events:,} events, {earlier:,} earlier decisions, and four times as many of each")
    say(f"freezing, history and files of earlier decisions, once: {starts[0]:.1f} s and {starts[1]:.1f} s")
    say(f"all earlier decisions as rows: {every[0]:.2f} s and {every[1]:.2f} s; at most {FETCHED:,} are fetched")
    return report(
        [
            Measure("a batch's planning at four times the shop", ours, "ms", theirs, ours / theirs, "ratio <= 1.2"),
            Measure(
                "earlier decisions for the rules, from files", from_files[1] * 1_000, "ms", every[1] * 1_000,
                from_files[1] / every[1], "ratio <= 0.5",
            ),
        ],
        chosen.format,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
