"""A journey in a real daemon that is killed on the way: everybody gets every message once."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.daemon import wait_for
from support.project import command, delivered, fill, write_project

from automation.clock import SystemClock
from automation.runner.launch import launch
from automation.store.driver import sqlite
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.workspace.workspace import open_workspace

JOURNEY = """
name: hello
topic: promotions
starts_when: {did: add_to_cart, quiet_for: 1s}
stop_when: {did: purchase}
steps:
  - send: {name: first, channels: [email], template: hello}
  - wait: 2s
  - send: {name: second, channels: [email], template: hello}
"""
PEOPLE, BUYERS = 60, 20


@contextmanager
def running(root: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command(root, "daemon"), stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def read(root: Path, query: str) -> Counter[str]:
    store = sqlite.connect(f"file:{root}/var/store.db?mode=ro", uri=True, timeout=10)
    try:
        return Counter(dict(store.execute(query).fetchall()))
    finally:
        store.close()


@pytest.mark.slow
def test_a_killed_daemon_goes_on_with_everybody_where_they_were(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    (root / "campaigns/hello.yaml").write_text(JOURNEY)
    with open_workspace(root) as workspace:
        fill(workspace, PEOPLE)
        launch(workspace, "hello", by="test", audience=PEOPLE)
    happen(root, "add_to_cart", PEOPLE)
    with running(root) as daemon:
        wait_for(lambda: len(delivered(root)) >= PEOPLE // 2, daemon)
    happen(root, "purchase", BUYERS)
    with running(root) as daemon:
        wait_for(lambda: is_over(root), daemon)
    ended = read(root, "SELECT ended, count(*) FROM entry GROUP BY ended")
    assert ended == {"stop_when": BUYERS, "done": PEOPLE - BUYERS}
    states = read(root, "SELECT state, count(*) FROM message_status GROUP BY state")
    whole = read(root, "SELECT customer_id || step, count(*) FROM decision GROUP BY 1")
    assert set(whole.values()) == {1}
    assert states["queued"] == states["sending"] == 0
    assert len(delivered(root)) == len(set(delivered(root)))
    assert states["sent"] <= len(delivered(root)) <= states["sent"] + states["ambiguous"]
    assert states["sent"] + states["ambiguous"] + states["cancelled"] == whole.total()


def happen(root: Path, type_: str, people: int) -> None:
    """The first customers do this now."""
    now = SystemClock().now()
    events = [InboxEvent(f"{type_}{n}", f"c{n:05}", type_, now) for n in range(people)]
    with open_workspace(root) as workspace, workspace.store.transaction() as connection:
        inbox.add_events(connection, events, now=now)


def is_over(root: Path) -> bool:
    """Whether everybody's way has come to its end."""
    return read(root, "SELECT 'over', count(*) FROM entry WHERE ended IS NOT NULL")["over"] == PEOPLE
