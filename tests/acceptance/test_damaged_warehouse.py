"""A daemon whose warehouse is damaged goes on: runs wait with the reason, and continue once it can be read."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from support.daemon import PATIENCE, wait_for, wait_for_heartbeats
from support.project import CAMPAIGN, automation, command, delivered, json_of, launched_project

from automation.clock import ManualClock, SystemClock
from automation.runner.launch import launch
from automation.store.driver import sqlite
from automation.workspace.workspace import open_workspace


@pytest.mark.slow
def test_the_daemon_starts_waits_and_continues(tmp_path: Path) -> None:
    an_hour_ago = SystemClock().now() - timedelta(hours=1)
    root = launched_project(tmp_path, customers=3, launched_at=an_hour_ago)
    (root / "campaigns" / "local.yaml").write_text(CAMPAIGN % ("local", "every: day 09:00, timezone: customer"))
    with open_workspace(root, clock=ManualClock(an_hour_ago)) as workspace:
        launch(workspace, "local", by="test", audience=3)
    table = root / "var/warehouse/customers"
    shutil.copytree(table, root / "sound")
    for file in (table / "_delta_log").glob("*.json"):
        file.write_text("{")
    daemon = subprocess.Popen(command(root, "daemon"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(lambda: is_held(root), daemon)
        (held,) = json_of(root, "status")["held"]
        assert (held["campaign"], held["guard"]) == ("hello", "damaged_warehouse")
        wait_for_heartbeats(root, daemon)
        log = [json.loads(line) for line in (root / "var/logs/daemon.jsonl").read_text().splitlines()]
        assert [line for line in log if line["event"] == "campaigns in the customers' time zones wait"]
        shutil.rmtree(table)
        shutil.copytree(root / "sound", table)
        assert automation(root, "release", str(held["run"])).returncode == 0  # not to wait for the next try
        wait_for(lambda: len(delivered(root)) >= 3, daemon)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=PATIENCE) == 0
    finally:
        daemon.kill()
        daemon.communicate()


def is_held(root: Path) -> bool:
    """Whether a run is held, as the store is committed."""
    with contextlib.closing(sqlite.connect(f"file:{root}/var/store.db?mode=ro", uri=True, timeout=10)) as store:
        return bool(store.execute("SELECT 1 FROM run WHERE hold IS NOT NULL").fetchall())
