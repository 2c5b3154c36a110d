"""Killed and frozen at random moments: nothing twice, nothing lost, and every doubt is listed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.sink import sink
from support.soak import CONNECTIONS, Soak, account_of, soaked_project

PLAN = ("worker killed", "daemon killed", "worker frozen", "worker killed", "daemon frozen", "daemon killed")


@pytest.mark.slow
def test_nothing_is_sent_twice_or_lost_whatever_is_killed(tmp_path: Path) -> None:
    with sink(tmp_path, think=0.004) as running:
        root = soaked_project(tmp_path / "shop", running, customers=6_000)
        soak, started = Soak(root, seed=7), time.monotonic()
        with soak.running():
            soak.wait_until(lambda: soak.states()["sent"] > 100, 60)
            for kind in PLAN:
                time.sleep(soak.random.uniform(0.2, 1.2))
                soak.harm(kind)
                account_of(root)
                soak.wait_until(lambda: soak.workers() or soak.settled(), 30)
            soak.wait_until(soak.settled, 120)
        found = soak.outcome(running, time.monotonic() - started)
    assert found.duplicates == 0
    assert found.unaccounted == 0
    assert found.account.sent + found.account.ambiguous == found.account.audience == 6_000
    assert found.account.ambiguous <= (soak.faults.kills + soak.faults.zombies) * 2 * CONNECTIONS
