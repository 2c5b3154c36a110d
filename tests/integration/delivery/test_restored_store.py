"""A store that was restored from a backup, or that is older than its warehouse, sends nothing until a person agrees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.toy_project import account_of, again, deliver, start, toy_project

from automation.errors import Stopped, StoreError
from automation.inbound.flush import flush_events
from automation.reporting.doctor import diagnose
from automation.runner import backup
from automation.store.driver import sqlite
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.testing.toy_shop import TOY_AS_OF
from automation.workspace.workspace import Workspace, open_workspace


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


def test_a_store_older_than_its_warehouse_sends_nothing_until_it_is_accepted(toy: Workspace) -> None:
    run_id = start(toy)
    opened = InboxEvent("1", "c1", "email_open", TOY_AS_OF)
    copy = toy.project.data_dir / "backup.db"
    backup.back_up(toy, copy)
    with toy.store.transaction() as connection:
        inbox.add_events(connection, [opened], now=TOY_AS_OF)
    warehouse = toy.warehouse()
    flush_events(toy, warehouse)
    warehouse.close()
    toy.store.close()
    for name in ("store.db-wal", "store.db-shm"):
        (toy.project.data_dir / name).unlink(missing_ok=True)
    copy.replace(toy.project.data_dir / "store.db")
    with sqlite.connect(toy.project.data_dir / "store.db") as raw:
        raw.execute("DELETE FROM fact WHERE key = 'backup_of'")  # as if it were a plain copy of the file
    with open_workspace(toy.project.root, clock=toy.clock) as restored:
        reason = backup.check_restored_copy(restored)
        assert reason == "the warehouse has flush 1, this store knows of 0: it is an older one"
        assert deliver(restored).sent == 0
        assert account_of(restored, run_id).queued == 5
        with pytest.raises(Stopped, match="to resume: automation resume --restored"):
            again(restored, key="2")
        assert backup.accept_restored_copy(restored)
        assert backup.check_restored_copy(restored) is None
        assert deliver(restored).sent == 0
        assert account_of(restored, run_id).ambiguous == 5  # they may have been sent since
        with restored.store.transaction() as connection:
            inbox.add_events(connection, [opened._replace(event_id="2")], now=TOY_AS_OF)
        warehouse = restored.warehouse()
        assert flush_events(restored, warehouse) == 1  # under a number that the warehouse has not seen
        warehouse.close()


def test_a_restored_backup_is_recognised_by_its_stamp(toy: Workspace) -> None:
    target = toy.project.data_dir / "copies" / "store.db"
    backup.back_up(toy, target)
    with pytest.raises(StoreError, match="is there already; name another file"):
        backup.back_up(toy, target)
    toy.store.close()
    target.replace(toy.project.data_dir / "store.db")
    with open_workspace(toy.project.root, clock=toy.clock) as restored:
        assert (backup.check_restored_copy(restored) or "").startswith("this store is the backup of 2026-")
        assert [check.state for check in diagnose(restored).checks if check.name == "sending"] == ["warning"]
        assert backup.accept_restored_copy(restored)
        assert [check.state for check in diagnose(restored).checks if check.name == "sending"] == ["ok"]
