"""One committer a project."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.daemon.health import Beat, read_health
from automation.daemon.lock import Locked, find_lock_holder, hold_lock

NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
HOLD = "import sys, pathlib; from automation.daemon.lock import hold_lock\nwith hold_lock(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"  # noqa: E501 (a program)


def test_the_holder_is_named_and_the_second_refused(tmp_path: Path) -> None:
    assert find_lock_holder(tmp_path) is None
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert find_lock_holder(tmp_path) == other.pid
        with pytest.raises(Locked, match=f"process {other.pid}"), hold_lock(tmp_path):
            pass
        other.kill()
        other.wait()
    assert find_lock_holder(tmp_path) is None  # the kernel let go, however the process ended
    with hold_lock(tmp_path):
        assert find_lock_holder(tmp_path) == os.getpid()


def test_health_is_seen_from_outside(tmp_path: Path) -> None:
    assert read_health(tmp_path, NOW).describe() == "daemon: not running; start it: automation daemon"
    with hold_lock(tmp_path):
        Beat(os.getpid(), NOW, NOW, "running", sent=1_200, planning=4).write(tmp_path)
        fresh = read_health(tmp_path, NOW + timedelta(seconds=3))
        assert (fresh.alive, fresh.responding) == (True, True)
        assert fresh.describe() == (
            f"daemon: alive (process {os.getpid()}, since 2026-06-01 09:00 UTC, planning run 4; 1,200 sent)"
        )
        late = read_health(tmp_path, NOW + timedelta(minutes=3))
        assert (late.alive, late.responding) == (True, False)
        assert late.describe().endswith("it last reported at 2026-06-01 09:00 UTC")
    ended = read_health(tmp_path, NOW)
    assert not ended.alive
    assert ended.beat is not None


def test_a_damaged_summary_is_no_summary(tmp_path: Path) -> None:
    (tmp_path / "daemon.json").write_text('{"pid": 1')
    assert read_health(tmp_path, NOW).beat is None
