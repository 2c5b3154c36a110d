"""A copy of the store that is put back or wakes up elsewhere sends nothing again, whoever made it and however."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.scripted_channel import scripted, sent
from support.toy_project import account_of, deliver, start, toy_project

from automation.runner import backup, guards, held_runs
from automation.runner import run as runs
from automation.runner.claim import claim
from automation.runner.launch import launch
from automation.runner.resolve import resolve_run
from automation.schedule.due_times import Due
from automation.store import holds
from automation.store.driver import sqlite
from automation.store.write_ahead_log import checkpoint
from automation.types.message import Receipt, Rendered
from automation.types.run import Account, RunKind
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace

QUEUED = Account(audience=6, unreachable=1, queued=5)


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    """A project whose run is planned, and whose store was checked once, as a daemon does when it starts."""
    with toy_project(tmp_path / "shop") as workspace:
        assert backup.check_restored_copy(workspace) is None
        yield workspace


def copy_of_the_file(var: Path, to: Path) -> None:
    to.mkdir()
    with sqlite.connect(var / "store.db") as live, sqlite.connect(to / "store.db") as copy:
        live.backup(copy)
    shutil.copy(var / "signing_keys.json", to)


def copy_of_the_folder(var: Path, to: Path) -> None:
    shutil.copytree(var, to)


def put_back(copy: Path, var: Path) -> None:
    """The files of the copy over those that are there, which keep their inodes."""
    for name in ("store.db-wal", "store.db-shm"):
        (var / name).unlink(missing_ok=True)
    for path in copy.iterdir():
        if path.is_file():
            (var / path.name).write_bytes(path.read_bytes())


def put_in_its_place(copy: Path, var: Path) -> None:
    shutil.rmtree(var)
    shutil.copytree(copy, var)


Copy = Callable[[Path, Path], None]


@pytest.mark.parametrize("copy", [copy_of_the_file, copy_of_the_folder])
@pytest.mark.parametrize("restore", [put_back, put_in_its_place])
def test_what_was_sent_since_the_copy_is_not_sent_again(
    toy: Workspace, tmp_path: Path, copy: Copy, restore: Copy
) -> None:
    run_id = start(toy)
    var = toy.project.data_dir
    copy(var, tmp_path / "copy")
    assert deliver(toy, make=scripted(sent)).sent == 5
    toy.store.close()
    restore(tmp_path / "copy", var)
    with open_workspace(toy.project.root, clock=toy.clock) as restored:
        assert account_of(restored, run_id) == QUEUED
        reason = backup.check_restored_copy(restored)
        assert reason is not None
        assert "this store lacks the last 1 commits of sending" in reason or "is a copy of the file" in reason
        assert deliver(restored, make=scripted(sent)).sent == 0
        assert backup.accept_restored_copy(restored)
        assert backup.check_restored_copy(restored) is None
        assert deliver(restored, make=scripted(sent)).sent == 0
        assert account_of(restored, run_id) == Account(audience=6, unreachable=1, ambiguous=5)


@pytest.mark.parametrize("how", ["file", "folder", "backup"])
def test_a_person_who_is_quicker_than_any_daemon_resumes_no_less_carefully(
    toy: Workspace, tmp_path: Path, how: str
) -> None:
    run_id = start(toy)
    var, copy = toy.project.data_dir, tmp_path / "copy"
    if how == "backup":
        backup.back_up(toy, copy / "store.db")
    else:
        {"file": copy_of_the_file, "folder": copy_of_the_folder}[how](var, copy)
    assert deliver(toy, make=scripted(sent)).sent == 5
    toy.store.close()
    put_back(copy, var)
    with open_workspace(toy.project.root, clock=toy.clock) as restored:
        assert backup.accept_restored_copy(restored)  # nothing has checked the store yet
        assert backup.check_restored_copy(restored) is None
        assert deliver(restored, make=scripted(sent)).sent == 0
        assert account_of(restored, run_id) == Account(audience=6, unreachable=1, ambiguous=5)
        assert not backup.accept_restored_copy(restored)


@pytest.mark.parametrize("arrived", [True, False])
def test_a_person_settles_what_a_restore_made_ambiguous(toy: Workspace, tmp_path: Path, *, arrived: bool) -> None:
    run_id = start(toy)
    copy_of_the_folder(toy.project.data_dir, tmp_path / "copy")
    deliver(toy, make=scripted(sent))
    toy.store.close()
    put_back(tmp_path / "copy", toy.project.data_dir)
    with open_workspace(toy.project.root, clock=toy.clock) as restored:
        backup.check_restored_copy(restored)
        backup.accept_restored_copy(restored)
        assert resolve_run(restored, run_id, sent=arrived, by="Ana") == 5
        assert resolve_run(restored, run_id, sent=arrived, by="Ana") == 0
        assert deliver(restored, make=scripted(sent)).sent == (0 if arrived else 5)
        assert account_of(restored, run_id) == Account(audience=6, unreachable=1, sent=5)


def test_a_copy_that_wakes_up_elsewhere_sends_nothing(toy: Workspace, tmp_path: Path) -> None:
    """The first one goes on: two stores would send everything twice."""
    start(toy)
    shutil.copytree(toy.project.root, tmp_path / "elsewhere")
    with open_workspace(tmp_path / "elsewhere", clock=toy.clock) as other:
        assert "is a copy of the file that was used before" in (backup.check_restored_copy(other) or "")
        assert deliver(other, make=scripted(sent)).sent == 0
    assert backup.check_restored_copy(toy) is None
    assert deliver(toy, make=scripted(sent)).sent == 5


def test_a_store_whose_disk_lost_commits_sends_nothing(toy: Workspace) -> None:
    """The write-ahead log is cut short before the commit that granted the messages."""
    run_id = start(toy)
    checkpoint(toy.store)
    store, log = toy.project.data_dir / "store.db", toy.project.data_dir / "store.db-wal"
    written: list[tuple[bytes, bytes]] = []

    def answer(message: Rendered, _provider: int) -> Receipt:
        written.append((store.read_bytes(), log.read_bytes()))
        return sent(message)

    assert deliver(toy, make=scripted(answer)).sent == 5
    toy.store.close()
    store.write_bytes(written[0][0])
    log.write_bytes(written[0][1][:5_000])
    (toy.project.data_dir / "store.db-shm").unlink(missing_ok=True)
    with open_workspace(toy.project.root, clock=toy.clock) as damaged:
        assert account_of(damaged, run_id) == QUEUED
        assert "its disk lost them" in (backup.check_restored_copy(damaged) or "")
        assert deliver(damaged, make=scripted(sent)).sent == 0


def test_a_store_that_was_moved_within_its_machine_is_no_copy(toy: Workspace, tmp_path: Path) -> None:
    start(toy)
    toy.store.close()
    toy.project.root.rename(tmp_path / "moved")
    with open_workspace(tmp_path / "moved", clock=toy.clock) as moved:
        assert backup.check_restored_copy(moved) is None
        assert deliver(moved, make=scripted(sent)).sent == 5


def test_a_store_that_is_made_anew_in_the_same_place_is_no_copy(toy: Workspace) -> None:
    """Somebody deleted the data folder to begin again; what the old store had sent is none of the new one's."""
    root = toy.project.root
    start(toy)
    deliver(toy, make=scripted(sent))
    toy.store.close()
    shutil.rmtree(toy.project.data_dir)
    with toy_project(root) as anew:
        assert backup.check_restored_copy(anew) is None
        run_id = start(anew)
        assert deliver(anew, make=scripted(sent)).sent == 5
        assert backup.check_restored_copy(anew) is None
        assert account_of(anew, run_id).sent == 5


def test_runs_that_were_not_planned_to_their_end_are_held_after_a_restore(toy: Workspace, tmp_path: Path) -> None:
    """The store that went on may have planned and sent the rest of them."""
    run_id = start(toy)
    with toy.store.transaction() as connection:
        connection.exec_driver_sql("UPDATE run SET state = 'planning'")
    copy_of_the_folder(toy.project.data_dir, tmp_path / "copy")
    deliver(toy, make=scripted(sent))
    toy.store.close()
    put_back(tmp_path / "copy", toy.project.data_dir)
    with open_workspace(toy.project.root, clock=toy.clock) as restored:
        backup.check_restored_copy(restored)
        backup.accept_restored_copy(restored)
        with restored.store.reading() as connection:
            state, hold = connection.exec_driver_sql(f"SELECT state, hold FROM run WHERE id = {run_id}").one()
        assert state == "held"
        assert "may have been sent since it was made" in hold


@pytest.mark.parametrize("state", ["created", "held"])
def test_a_run_that_was_not_frozen_yet_waits_for_a_person_too(toy: Workspace, tmp_path: Path, state: str) -> None:
    """Also one that a guard held, which would go on by itself once its data is new enough."""
    launch(toy, "toy", by="test", audience=None)
    row = claim(toy, "toy", Due(RunKind.MANUAL, "1", toy.clock.now()))
    assert row is not None
    if state == "held":
        with toy.store.transaction() as connection:
            holds.hold(connection, row.id, guard=held_runs.STALE, what="stale data", now=toy.clock.now())
    copy_of_the_folder(toy.project.data_dir, tmp_path / "copy")
    runs.advance(toy, LaunchedCampaigns(toy.project), row.id)
    assert deliver(toy, make=scripted(sent)).sent == 5
    toy.store.close()
    put_back(tmp_path / "copy", toy.project.data_dir)
    with open_workspace(toy.project.root, clock=toy.clock) as restored:
        pinned = LaunchedCampaigns(restored.project)
        backup.check_restored_copy(restored)
        backup.accept_restored_copy(restored)
        assert not runs.advance(restored, pinned, row.id)
        assert deliver(restored, make=scripted(sent)).sent == 0
        guards.release(restored, row.id, by="Ana")
        assert runs.advance(restored, pinned, row.id)
        assert deliver(restored, make=scripted(sent)).sent == 5
