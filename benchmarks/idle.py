"""The memory and the CPU of a daemon with nothing to do: launched campaigns that are due in hours, the web app on.

Its processes are counted together, after the planning process of its start has ended. Memory is what is resident, with
what processes share counted in each of them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
from measure import Measure, arguments, report

from automation.clock import SystemClock
from automation.runner.launch import launch
from automation.store.people import migration
from automation.workspace.workspace import open_workspace

CAMPAIGNS = 10
CONFIG = """
shop: {name: Toy, url: "https://toy.example", timezone: Europe/Berlin, email: hi@toy.example, address: Street 1}
topics: {promotions: marketing}
channels:
  email: {using: file, options: {folder: var/outbox}}
workers: 2
web: {host: 127.0.0.1, port: 0}
"""
CAMPAIGN = """
name: campaign%d
topic: promotions
schedule: {every: "day %s"}
audience: {did: purchase, times: ">= 2"}
recommend: {using: popular, items: 2}
send: {channels: [email], template: hello}
"""
BODY = '<p>{% for item in items %}{{ item.name }}{% endfor %}<a href="{{ links.unsubscribe }}">unsubscribe</a></p>'
DAEMON = """
import sys
from automation.cli.main import main
from automation.daemon import planning
planning.LINGER = float(sys.argv[2])
sys.exit(main(["--project", sys.argv[1], "daemon"]))
"""


def main() -> int:
    options = arguments(__doc__ or "")
    linger, seconds = (2, 20) if options.quick else (60, 120)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "shop"
        write_project(root)
        with running(root, linger) as daemon:
            wait_until_idle(root, daemon)
            started, before = time.monotonic(), cpu_seconds(daemon.pid)
            time.sleep(seconds)
            used = (cpu_seconds(daemon.pid) - before) / (time.monotonic() - started)
            pids = processes(daemon.pid)
            resident, proportional = (sum(memory(pid, kind) for pid in pids) for kind in ("Rss", "Pss"))
    return report(
        [
            Measure("memory of an idle daemon, resident", resident, "MB", target="value <= 150"),
            Measure("the same without what others share", proportional, "MB"),
            Measure("its processes", len(pids), "processes", target="value <= 1"),
            Measure("CPU of an idle daemon", 100 * used, "% of a core", target="value <= 0.5"),
        ],
        options.format,
    )


def write_project(root: Path) -> None:
    for folder in ("campaigns", "templates/hello"):
        (root / folder).mkdir(parents=True)
    (root / "config.yaml").write_text(CONFIG)
    (root / "templates/hello/email.html").write_text(BODY)
    (root / "templates/hello/en.yaml").write_text("subject: Hello\n")
    now = SystemClock().now()
    due = f"{(now + timedelta(hours=6)):%H:00}"
    for number in range(CAMPAIGNS):
        (root / f"campaigns/campaign{number}.yaml").write_text(CAMPAIGN % (number, due))
    ids = [f"c{number}" for number in range(1_000)]
    bought = {"customer_id": ids, "type": "purchase", "event_id": ids, "product_id": "p1", "occurred_at": now}
    with open_workspace(root) as workspace:
        warehouse = workspace.warehouse()
        warehouse.upsert("customers", pl.DataFrame({"customer_id": ids, "email": [f"{i}@toy.example" for i in ids]}))
        warehouse.upsert("products", pl.DataFrame({"product_id": ["p1"], "name": ["Tea"]}))
        warehouse.append_events(pl.DataFrame(bought))
        warehouse.close()
        with workspace.store.transaction() as connection:
            migration.record(connection, "nothing", by="benchmark", now=now, detail="a made-up shop")
        for number in range(CAMPAIGNS):
            launch(workspace, f"campaign{number}", by="benchmark", audience=None)


@contextmanager
def running(root: Path, linger: float) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", DAEMON, str(root), str(linger)]) as daemon:
        try:
            yield daemon
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)


def wait_until_idle(root: Path, daemon: subprocess.Popen[bytes]) -> None:
    """Until the planning process that the daemon starts with has ended."""
    deadline = time.monotonic() + 180
    while "planning process ended" not in log_lines(root):
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the daemon does not become idle: {log_lines(root)}")
        time.sleep(0.2)
    time.sleep(2)


def log_lines(root: Path) -> list[Any]:
    file = root / "var/logs/daemon.jsonl"
    return [json.loads(line)["event"] for line in file.read_text().splitlines()] if file.exists() else []


def processes(pid: int) -> list[int]:
    children = [int(child) for task in tasks(pid) for child in (task / "children").read_text().split()]
    return [pid, *(found for child in children for found in processes(child))]


def tasks(pid: int) -> Iterator[Path]:
    return Path(f"/proc/{pid}/task").iterdir()


def memory(pid: int, kind: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return int(dict(line.split(":", 1) for line in lines)[kind].split()[0]) / 1_000


def cpu_seconds(pid: int) -> float:
    """Of the process, its children that have ended, and those that run."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(child) for child in processes(pid)[1:])


if __name__ == "__main__":
    sys.exit(main())
