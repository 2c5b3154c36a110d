"""Consent with the daemon as a real process: it asks for confirmations by itself, and once."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import polars as pl
import pytest
from support.daemon import PATIENCE, wait_for, wait_for_heartbeats
from support.project import automation, command, json_of, write_project

from automation.clock import SystemClock, to_millis
from automation.inbound.consents import accept_consents
from automation.store.people import consent
from automation.workspace.workspace import open_workspace

DOUBLE = """
links: {base_url: "https://news.toy.example"}
consent: {double_opt_in: {promotions: {template: confirm, topic: orders}}}
"""


@pytest.mark.slow
def test_the_daemon_asks_once_and_a_restart_asks_nobody_again(tmp_path: Path) -> None:
    root = project(tmp_path / "shop")
    say_yes(root, "new1")
    with_daemon(root, until=1)
    say_yes(root, "new1", "new2")
    with_daemon(root, until=2)
    assert sorted(line["to"] for line in lines(root)) == ["new1@toy.example", "new2@toy.example"]
    pending = json_of(root, "consent", "pending")["pending"]
    assert [(one["customer_id"], one["state"]) for one in pending] == [("new1", "asked"), ("new2", "asked")]
    status = automation(root, "status").stdout
    assert "confirm-promotions-email" in status


def project(root: Path) -> Path:
    write_project(root)
    config = (
        (root / "config.yaml").read_text().replace("promotions: marketing", "promotions: marketing, orders: service")
    )
    (root / "config.yaml").write_text(config + DOUBLE)
    folder = root / "templates/confirm"
    folder.mkdir()
    (folder / "email.html").write_text('<p><a href="{{ links.confirm }}">yes</a></p>')
    (folder / "en.yaml").write_text("subject: Please confirm\n")
    return root


def say_yes(root: Path, *customers: str) -> None:
    now = SystemClock().now()
    rows = [(c, "email", "promotions", True, to_millis(now), "form", "", "form", f"{c}@toy.example") for c in customers]
    said = pl.DataFrame(rows, schema=consent.CONSENT_COLUMNS, orient="row")
    with open_workspace(root) as workspace, workspace.store.transaction() as connection:
        accept_consents(workspace.project.settings, connection, said, by="test", now=now)


def lines(root: Path) -> list[dict[str, str]]:
    path = root / "var/outbox/messages.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def with_daemon(root: Path, *, until: int) -> None:
    """A daemon's life: until that many messages were written, and every part has looked for work again."""
    daemon = subprocess.Popen(command(root, "daemon"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(lambda: len(lines(root)) >= until, daemon)
        wait_for_heartbeats(root, daemon)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=PATIENCE) == 0
    finally:
        if daemon.poll() is None:
            daemon.kill()
        daemon.communicate()
    assert len(lines(root)) == until
