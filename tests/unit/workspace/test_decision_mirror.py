"""What the audience rules see of the decisions: all of them, though only the newest are fetched from the store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import ibis
import polars as pl
import pytest
import sqlalchemy as sa
from support.ledger import NOW, make_run, plan_batch, plan_run
from support.project import write_project

from automation.clock import ManualClock
from automation.store.engine import table
from automation.store.ledger import cap_slots, decisions, mirror
from automation.store.tables import Run
from automation.store.write_ahead_log import checkpoint
from automation.warehouse.embedded import DECISIONS
from automation.workspace import decision_mirror
from automation.workspace.decision_mirror import read_mirror, refresh_mirror
from automation.workspace.workspace import Workspace, open_workspace


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """At most two decisions are fetched as rows, and three go into a file at once."""
    monkeypatch.setattr(decision_mirror, "FETCHED", 2)
    monkeypatch.setattr(decision_mirror, "_AT_ONCE", 3)
    with open_workspace(write_project(tmp_path), clock=ManualClock(NOW)) as workspace:
        yield workspace


def seen(workspace: Workspace) -> pl.DataFrame:
    here = ibis.duckdb.connect()
    frame: pl.DataFrame = read_mirror(workspace, here).to_polars()
    here.disconnect()
    return frame.sort("customer_id", "campaign")


def plan(workspace: Workspace, key: str, customers: list[str]) -> int:
    run_id = make_run(workspace.store, customers, key=key)
    plan_batch(workspace.store, run_id, 0, customers)
    return run_id


def files(workspace: Workspace) -> mirror.MirrorFiles:
    with workspace.store.reading() as connection:
        return mirror.read_files(connection)


def test_every_decision_is_listed_with_its_message(shop: Workspace) -> None:
    run_id = plan_run(shop.store, ["c1", "c2"], {"c2": "holdout"}, variant="a")
    with shop.store.reading() as connection:
        (row,) = decisions.find(connection, customer_id="c1")
    assert seen(shop).schema == DECISIONS
    assert row.message_id is not None
    assert seen(shop).rows() == [
        ("c1", "winback", str(run_id), "message", NOW, "a", row.message_id),
        ("c2", "winback", str(run_id), "holdout", NOW, "a", None),
    ]


def test_older_decisions_come_from_files_and_say_the_same(shop: Workspace) -> None:
    for number in range(1, 12):
        plan(shop, str(number), [f"c{number}a", f"c{number}b"])
    before = seen(shop)
    assert before.height == 22
    refresh_mirror(shop)
    assert files(shop).through == 21, "seven files' worth of three; one decision is fetched"
    assert sum(rows for _, rows in files(shop).files) == 21
    assert len(files(shop).files) < 4, "files of a similar size are joined"
    assert seen(shop).equals(before)
    plan(shop, "12", ["new"])
    assert seen(shop).height == 23


def test_who_lost_the_message_later_was_not_contacted(shop: Workspace) -> None:
    plan(shop, "1", ["c1", "c2", "c3"])
    refresh_mirror(shop)
    assert files(shop).through == 3
    with shop.store.transaction() as connection:
        (row,) = decisions.find(connection, customer_id="c2")
        lost = pl.DataFrame({"message_id": [row.message_id], "to": ["vip"], "until": [None]})
        assert cap_slots.yield_cap_slots(connection, lost.cast({"until": pl.Int64}), now=NOW) == 1
    assert seen(shop)["outcome"].to_list() == ["message", "suppressed", "message"]


def test_a_test_is_in_no_file(shop: Workspace) -> None:
    run_id = plan(shop, "1", ["c1", "c2", "c3"])
    with shop.store.transaction() as connection:
        connection.execute(sa.update(table(Run)).where(table(Run).c.id == run_id).values(test=True))
    plan(shop, "2", ["c4", "c5", "c6"])
    refresh_mirror(shop)
    assert files(shop).through == 6
    assert seen(shop)["customer_id"].to_list() == ["c4", "c5", "c6"]


@pytest.mark.parametrize("harm", ["remove", "cut"])
def test_a_lost_or_cut_file_is_written_again(shop: Workspace, harm: str) -> None:
    plan(shop, "1", ["c1", "c2", "c3"])
    refresh_mirror(shop)
    before = seen(shop)
    ((name, _),) = files(shop).files
    path = shop.project.data_dir / "decisions" / name
    path.unlink() if harm == "remove" else path.write_bytes(path.read_bytes()[:-9])
    assert seen(shop).equals(before)
    refresh_mirror(shop)
    ((again, _),) = files(shop).files
    assert again != name
    assert seen(shop).equals(before)


def test_a_restored_store_believes_no_newer_file(shop: Workspace, tmp_path: Path) -> None:
    """The copy's next decisions get ids that the files know for other people."""
    plan(shop, "1", ["c1"])
    checkpoint(shop.store)
    copy = tmp_path / "copy.db"
    shutil.copy(shop.project.data_dir / "store.db", copy)
    plan(shop, "2", ["c2", "c3", "c4"])
    refresh_mirror(shop)
    shop.store.close()
    for path in shop.project.data_dir.glob("store.db*"):
        path.unlink()
    copy.rename(shop.project.data_dir / "store.db")
    with open_workspace(shop.project.root, clock=ManualClock(NOW)) as restored:
        plan(restored, "3", ["d2", "d3", "d4"])
        refresh_mirror(restored)
        assert seen(restored)["customer_id"].to_list() == ["c1", "d2", "d3", "d4"]
