"""A process that reads an old state of the store keeps nobody from sending."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.snapshots import kept_snapshot
from support.toy_project import account_of, deliver, start, toy_project

from automation.clock import monotonic
from automation.store import driver
from automation.store.write_ahead_log import log_size

CAMPAIGN = """
name: toy
topic: promotions
schedule: {every: day 09:00}
reentry: always
audience: {did: purchase}
send: {channels: [email], template: toy}
"""


def test_messages_leave_while_a_reader_keeps_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automation.store.write_ahead_log.EVERY", 0.0)
    with toy_project(tmp_path, campaign=CAMPAIGN, body="<p>{{ links.unsubscribe }}</p>") as toy:
        first = start(toy)
        with kept_snapshot(toy.data_dir / "store.db"):
            before, began = log_size(toy.store), monotonic()
            deliver(toy)
            deliver(toy)
            assert monotonic() - began < driver.BUSY_TIMEOUT_MS / 1000
            assert log_size(toy.store) > before
        assert account_of(toy, first).sent == 5
        deliver(toy)
        assert log_size(toy.store) == 0
