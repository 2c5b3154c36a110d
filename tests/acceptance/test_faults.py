"""A full disk, a store that can't be written, and a stop in every stage: no send without a durable intent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from support.daemon import Heartbeats
from support.project import automation, launched_project
from support.sink import Running, sink
from support.soak import Soak, account_of, soaked_project

from automation.clock import SystemClock
from automation.store.driver import sqlite

CUSTOMERS = 1_500


def whole(soak: Soak, running: Running, *, audience: int) -> None:
    """Everything is accounted for, and nothing came twice."""
    found = soak.outcome(running, 0.0)
    assert found.duplicates == found.unaccounted == 0
    assert found.account.audience == audience
    assert found.account.sent + found.account.ambiguous == audience


def granted(soak: Soak) -> set[str]:
    """The messages whose sending the store knows of."""
    return {
        row[0]
        for row in soak.rows("SELECT message_id FROM message_status WHERE state IN ('sending', 'sent', 'ambiguous')")
    }


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own, where that may be made."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("a file system can't be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_sends_nothing_that_is_not_written_down_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64m") as disk, sink(tmp_path, think=0.01) as running:
        root = soaked_project(disk / "shop", running, customers=CUSTOMERS)
        soak, ballast = Soak(root, 1, tmp_path / "daemon.out"), disk / "ballast"
        with soak.running():
            soak.wait_until(lambda: soak.states()["sent"] > 100, 60)
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(b"\0" * 65_536)
            failed = "'event': 'delivery failed; retrying'"  # printed, since the log can't be written either
            soak.wait_until(lambda: soak.output.read_text().count(failed) >= 2 or soak.settled(), 60)
            arrived = set(running.taken())
            assert arrived <= granted(soak)
            ballast.unlink()
            soak.wait_until(soak.settled, 120)
            account_of(root)
        whole(soak, running, audience=CUSTOMERS)


@pytest.mark.slow
def test_a_store_that_can_not_be_written_sends_nothing_and_goes_on_when_it_can(tmp_path: Path) -> None:
    with sink(tmp_path, think=0.01) as running:
        root = soaked_project(tmp_path / "shop", running, customers=CUSTOMERS)
        soak = Soak(root, seed=1)
        with soak.running():
            soak.wait_until(lambda: soak.states()["sent"] > 100, 60)
            with _locked(root):  # another process holds the write lock
                soak.wait_until(lambda: set(running.taken()) == granted(soak), 60)
                before = running.taken()
                soak.wait_until(Heartbeats(root).came, 60)
                assert running.taken() == before
                assert len(before) < CUSTOMERS
            soak.wait_until(soak.settled, 120)
        whole(soak, running, audience=CUSTOMERS)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder on a file system that takes no writes, where that may be made."""
    for options in (["--bind", folder], ["-o", "remount,ro,bind"]):
        if subprocess.run(["mount", *options, folder], capture_output=True, check=False).returncode != 0:
            pytest.skip("a file system can't be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
def test_a_store_on_a_read_only_disk_sends_nothing_and_says_why(tmp_path: Path) -> None:
    with sink(tmp_path) as running:
        root = soaked_project(tmp_path / "shop", running, customers=50)
        with read_only(root / "var"):
            for arguments in (["daemon"], ["run", "hello"], ["status"]):
                done = automation(root, *arguments)
                shown = done.stdout + done.stderr
                assert done.returncode == 1, shown
                assert "Traceback" not in shown
                assert "read-only" in shown.lower() or "readonly" in shown.lower(), shown
        assert not running.taken()
        soak = Soak(root, seed=1)
        with soak.running():
            soak.wait_until(soak.settled, 60)
        whole(soak, running, audience=50)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    with contextlib.closing(sqlite.connect(root / "var" / "store.db", isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["starting", "planning", "sending"])
def test_sigterm_in_every_stage_loses_and_doubles_nothing(tmp_path: Path, stage: str) -> None:
    with sink(tmp_path, think=0.005) as running:
        root = soaked_project(tmp_path / "shop", running, customers=CUSTOMERS)
        soak = Soak(root, seed=1)
        reached = {
            "starting": lambda: True,
            "planning": lambda: bool(soak.rows("SELECT 1 FROM run")),
            "sending": lambda: soak.states()["sent"] > 50,
        }
        with soak.running():
            soak.wait_until(reached[stage], 60)
            assert soak.daemon is not None
            soak.daemon.send_signal(signal.SIGTERM)
            assert soak.daemon.wait(60) in (0, -signal.SIGTERM)  # before the handler stands, it just ends
            if soak.rows("SELECT 1 FROM run"):
                account_of(root)
            soak.start()
            soak.wait_until(soak.settled, 120)
        whole(soak, running, audience=CUSTOMERS)
        assert soak.states()["ambiguous"] == 0  # what was on its way was waited for


@pytest.mark.slow
@pytest.mark.skipif(not Path("/usr/bin/faketime").exists(), reason="needs the Debian package faketime")
@pytest.mark.parametrize("jump", ["+1d", "-1d", "+1h", "-1h"])
def test_a_clock_that_jumps_under_the_daemon_starts_and_expires_nothing(tmp_path: Path, jump: str) -> None:
    root = launched_project(tmp_path, customers=800, launched_at=SystemClock().now() - timedelta(hours=1), slow=0.05)
    clock = tmp_path / "offset"
    clock.write_text("+0d\n")
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    environment = {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    soak = Soak(root, seed=1)
    old = dict(os.environ)
    os.environ.update(environment)
    try:
        soak.start()
    finally:
        os.environ.clear()
        os.environ.update(old)
    assert soak.daemon is not None
    try:
        soak.wait_until(lambda: soak.states()["sent"] > 20, 60)
        clock.write_text(f"{jump}\n")
        soak.wait_until(lambda: bool(soak.rows("SELECT 1 FROM pause WHERE scope = 'because:clock'")), 60)
        soak.wait_until(lambda: not soak.states()["sending"], 60)
        still = soak.states()["sent"]
        soak.wait_until(Heartbeats(root).came, 60)
        assert soak.states()["sent"] == still < 800
        assert not soak.states()["expired"]
        clock.write_text("+0d\n")
        soak.wait_until(soak.settled, 180)
        assert account_of(root).sent == 800
    finally:
        soak.daemon.kill()
        soak.daemon.wait()
