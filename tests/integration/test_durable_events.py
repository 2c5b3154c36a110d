"""Events that were moved to the warehouse survive a loss of power: they are synced before the inbox lets go of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection
from support.toy_project import toy_project

from automation.inbound.flush import flush_events
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.testing.toy_shop import TOY_AS_OF
from automation.workspace.workspace import Workspace


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


def add(toy: Workspace, *names: str) -> None:
    with toy.store.transaction() as connection:
        inbox.add_events(connection, [InboxEvent(name, "c1", "page_view", TOY_AS_OF) for name in names], now=TOY_AS_OF)


def flush(toy: Workspace) -> int:
    warehouse = toy.warehouse()
    moved = flush_events(toy, warehouse)
    warehouse.close()
    return moved


def seen(toy: Workspace) -> list[str]:
    warehouse = toy.warehouse()
    table = warehouse.table("events")
    found = table.filter(table.type == "page_view").event_id.to_polars()
    warehouse.close()
    return sorted(found)


def events_of(toy: Workspace) -> Path:
    return toy.project.data_dir / "warehouse" / "events"


def test_every_file_of_a_flush_is_synced_before_it_counts_as_done(
    toy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[Path] = set()
    at_the_end: list[set[Path]] = []
    sync, finish = os.fsync, inbox.finish_flush

    def note_sync(file: int) -> None:
        synced.add(Path(f"/proc/self/fd/{file}").readlink())
        sync(file)

    def note_finish(connection: Connection, number: int, *, now: datetime) -> None:
        at_the_end.append(set(synced))
        finish(connection, number, now=now)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(inbox, "finish_flush", note_finish)
    before = set(events_of(toy).rglob("*"))
    add(toy, "1", "2")
    assert flush(toy) == 2
    new = {path for path in events_of(toy).rglob("*") if path not in before and path.suffix in (".json", ".parquet")}
    assert len(new) >= 2
    (done,) = at_the_end
    assert done >= new | {events_of(toy), events_of(toy) / "_delta_log"}


def test_events_that_the_disk_lost_are_moved_again(toy: Workspace, tmp_path: Path) -> None:
    """The power failed: the store is newer than the files of the warehouse."""
    add(toy, "1")
    flush(toy)
    shutil.copytree(events_of(toy), tmp_path / "as the disk had it")
    add(toy, "2", "3")
    flush(toy)
    shutil.rmtree(events_of(toy))
    shutil.copytree(tmp_path / "as the disk had it", events_of(toy))
    assert seen(toy) == ["1"]
    add(toy, "4")
    assert flush(toy) == 3
    assert seen(toy) == ["1", "2", "3", "4"]
    assert flush(toy) == 0


def test_a_table_that_is_gone_gets_the_events_of_the_last_week_back_once(toy: Workspace) -> None:
    add(toy, "1", "2")
    flush(toy)
    shutil.rmtree(events_of(toy))
    assert flush(toy) == 2
    assert seen(toy) == ["1", "2"]
    assert flush(toy) == 0


def test_what_is_older_than_the_inbox_keeps_is_not_looked_for_again_and_again(toy: Workspace) -> None:
    add(toy, "1")
    flush(toy)
    toy.clock.advance(timedelta(days=8))  # type: ignore[attr-defined]  # a clock that moves by hand
    add(toy, "2")
    flush(toy)
    shutil.rmtree(events_of(toy))
    assert flush(toy) == 1
    assert seen(toy) == ["2"]
