"""`/health` says to a monitor, without a name, what keeps campaigns from running."""

from __future__ import annotations

from datetime import timedelta
from os import getpid

from support.web import Shop

from automation.daemon.health import Beat
from automation.daemon.lock import hold_lock
from automation.store import pauses
from automation.store.write_ahead_log import log_size


def test_health_knows_the_daemon_the_scheduler_stops_and_held_runs(shop: Shop) -> None:
    without = shop.client.get("/health")
    assert without.status_code == 200  # the app works, so a load balancer keeps it
    assert without.json() == {
        "status": "attention",
        "daemon": "not running",
        "scheduler_looked_seconds_ago": None,
        "next_due": None,
        "launched": 1,
        "stops": 0,
        "held_runs": 0,
        "log_bytes": log_size(shop.workspace.store),
        "log_kept_since": None,
        "log_kept_by": [],
        "problems": ["daemon"],
    }
    beat = Beat(getpid(), shop.workspace.clock.now(), shop.workspace.clock.now(), "running", scheduler_silent=12.0)
    with hold_lock(shop.workspace.data_dir):
        beat.write(shop.workspace.data_dir)
        running = shop.client.get("/health").json()
        assert (running["status"], running["daemon"], running["scheduler_looked_seconds_ago"]) == ("ok", "running", 12)
        shop.move(timedelta(minutes=1))
        assert shop.client.get("/health").json()["daemon"] == "silent"
    with shop.workspace.store.transaction() as connection:
        pauses.stop(connection, "toy", by="ana", now=shop.workspace.clock.now())
    stopped = shop.client.get("/health")
    assert (stopped.json()["stops"], stopped.json()["problems"]) == (1, ["sending"])
    assert "toy" not in stopped.text
    assert "ana" not in stopped.text
