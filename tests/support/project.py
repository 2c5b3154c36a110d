"""A small project folder that is ready to run: one campaign, some customers, consents given, messages into files."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from automation.clock import Clock, ManualClock
from automation.runner.launch import launch
from automation.store.driver import sqlite
from automation.store.people import consent, migration
from automation.workspace.workspace import Workspace, open_workspace

CONFIG = """
shop: {name: Toy, timezone: Europe/Berlin, email: hi@toy.example, address: Street 1}
topics: {promotions: marketing}
channels:
  email: {using: %s, options: {folder: var/outbox}}
workers: %d
"""
CAMPAIGN = """
name: %s
topic: promotions
schedule: {%s}
audience: everyone
send: {channels: [email], template: hello}
"""
BODY = """<p>Hello {{ customer.first_name }}</p><p><a href="{{ links.unsubscribe }}">unsubscribe</a></p>"""
SLOW_CHANNEL = '''
"""A channel into files that takes its time, for stopping it on its way."""

import asyncio

from automation.contracts import Options
from automation.hookspecs import hookimpl
from automation_email.file import FileChannel, FileOptions


class Slow(FileChannel):
    Options = FileOptions

    async def deliver(self, messages, hand_over):
        for message in messages:
            await asyncio.sleep(%s)
            async for receipt in super().deliver([message], hand_over):
                yield receipt


@hookimpl
def register_channels(register):
    register("slow_file", Slow)
'''


def write_project(
    root: Path,
    *,
    slow: float = 0.0,
    schedule: str = "every: 15m",
    name: str = "hello",
    workers: int = 0,
    slow_channel: str = SLOW_CHANNEL,
) -> Path:
    """Write the files; `slow` is how many seconds each message takes, `workers` how many processes deliver."""
    for folder in ("campaigns", "templates/hello", "plugins"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "config.yaml").write_text(CONFIG % ("slow_file" if slow else "file", workers))
    (root / "campaigns" / f"{name}.yaml").write_text(CAMPAIGN % (name, schedule))
    (root / "templates/hello/email.html").write_text(BODY)
    (root / "templates/hello/en.yaml").write_text("subject: Hello\n")
    if slow:
        (root / "plugins" / "slow.py").write_text(slow_channel % slow)
    return root


def fill(workspace: Workspace, customers: int) -> None:
    """Customers c00000, c00001, … who all said yes."""
    ids = [f"c{number:05}" for number in range(customers)]
    frame = pl.DataFrame(
        {"customer_id": ids, "email": [f"{i}@toy.example" for i in ids], "first_name": [i.upper() for i in ids]}
    )
    warehouse = workspace.warehouse()
    warehouse.upsert("customers", frame)
    warehouse.close()
    with workspace.store.transaction() as connection:
        consent.record(
            connection,
            ids,
            channel="email",
            topic="promotions",
            granted=True,
            at=datetime(2026, 1, 1, tzinfo=UTC),
            source="test",
        )
        migration.record(connection, "nothing", by="test", now=datetime(2026, 1, 1, tzinfo=UTC), detail="a test")


def launched_project(
    root: Path,
    *,
    customers: int,
    launched_at: datetime,
    slow: float = 0.0,
    schedule: str | None = None,
    workers: int = 0,
    slow_channel: str = SLOW_CHANNEL,
) -> Path:
    """A project whose campaign was launched at that instant: what was due since is caught up when a daemon starts.

    Unless told otherwise it is due once a day, first half an hour after its launch: not again during a test.
    """
    daily = f"every: day {(launched_at + timedelta(minutes=30)).astimezone(ZoneInfo('Europe/Berlin')):%H:%M}"
    write_project(root, slow=slow, schedule=schedule or daily, workers=workers, slow_channel=slow_channel)
    clock: Clock = ManualClock(launched_at)
    with open_workspace(root, clock=clock) as workspace:
        fill(workspace, customers)
        launch(workspace, "hello", by="test", audience=customers)
    return root


def copied_project(root: Path, copy: Path) -> Path:
    """A copy of a project whose store is not held as a copy, as one that was filled anew."""
    shutil.copytree(root, copy)
    with contextlib.closing(sqlite.connect(copy / "var" / "store.db")) as store:
        store.execute("DELETE FROM fact WHERE key = 'identity'")
        store.commit()
    return copy


def command(root: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "automation", "--project", str(root), *arguments]


def automation(root: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        command(root, *arguments),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env=dict(os.environ),
        **options,
    )


def json_of(root: Path, *arguments: str) -> Any:
    """What a command prints for programs."""
    done = automation(root, *arguments, "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def delivered(root: Path) -> list[str]:
    """The ids of every message in the Maildir, one for each file."""
    return sorted(path.name.split(".")[0] for path in (root / "var" / "outbox" / "new").glob("*"))
