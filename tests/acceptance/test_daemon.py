"""The daemon as a real process, with real signals: nothing lost, nothing doubled, whatever ends it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.daemon import PATIENCE, read_heartbeat, wait_for, wait_for_heartbeats
from support.project import (
    CAMPAIGN,
    SLOW_CHANNEL,
    automation,
    command,
    delivered,
    fill,
    json_of,
    launched_project,
    write_project,
)
from support.returned_mail import bounce

from automation.clock import SystemClock
from automation.delivery.sent_message import Rerendering
from automation.store import runs
from automation.store.driver import sqlite
from automation.store.engine import open_store
from automation.store.ledger import accounts
from automation.types.run import Account
from automation.workspace.workspace import open_workspace


def an_hour_ago() -> datetime:
    return SystemClock().now() - timedelta(hours=1)


@contextmanager
def running(root: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command(root, "daemon"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def rows(root: Path, query: str) -> list[tuple[Any, ...]]:
    """Read the store from outside, as it is committed."""
    with contextlib.closing(sqlite.connect(f"file:{root}/var/store.db?mode=ro", uri=True, timeout=10)) as store:
        found: list[tuple[Any, ...]] = store.execute(query).fetchall()
        return found


def account(root: Path) -> Account:
    """The only run's account."""
    store = open_store(root / "var" / "store.db", migrate=False)
    with store.reading() as connection:
        (run,) = runs.find(connection)
        found = accounts.account(connection, run.id)
    store.close()
    assert found.adds_up
    return found


def states(root: Path) -> Counter[str]:
    return Counter(dict(rows(root, "SELECT state, count(*) FROM message_status GROUP BY state")))


def log(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "var" / "logs" / "daemon.jsonl").read_text().splitlines()]


def has_handed_over(root: Path) -> bool:
    """Whether a worker's flight recorder names a message that may have arrived."""
    return any("D " in path.read_text() for path in (root / "var" / "flight-recorders").glob("*.log"))


def end(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> None:
    """The daemon ends in order at SIGTERM, or at SIGHUP as when its terminal is closed."""
    process.send_signal(number)
    assert process.wait(timeout=PATIENCE) == 0


def is_running(root: Path, daemon: subprocess.Popen[str]) -> bool:
    beat = read_heartbeat(root)
    return bool(beat) and beat["pid"] == daemon.pid and beat["doing"] == "running"


def finished(root: Path) -> Callable[[], bool]:
    return lambda: bool(rows(root, "SELECT 1 FROM run WHERE state = 'done'"))


@pytest.mark.slow
def test_a_missed_due_time_runs_once_and_a_second_daemon_is_refused(tmp_path: Path) -> None:
    root = launched_project(tmp_path, customers=300, launched_at=an_hour_ago())
    with running(root) as daemon:
        wait_for(finished(root), daemon)
        second = automation(root, "daemon")
        assert second.returncode == 1
        assert str(daemon.pid) in second.stderr
        assert "Traceback" not in second.stderr
        status = json_of(root, "status")
        assert status["daemon"]["alive"]
        assert status["daemon"]["pid"] == daemon.pid
        end(daemon)
    (run,) = status["runs"]
    assert run["account"]["sent"] == run["account"]["audience"] == 300
    assert len(set(delivered(root))) == len(delivered(root)) == 300
    assert read_heartbeat(root)["doing"] == "stopped"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_signal_while_sending_loses_and_doubles_nothing(tmp_path: Path, number: signal.Signals) -> None:
    root = launched_project(tmp_path, customers=600, launched_at=an_hour_ago(), slow=0.04)
    with running(root) as daemon:
        wait_for(lambda: states(root)["sent"] >= 100, daemon)
        end(daemon, number)
    after = states(root)
    assert after["sending"] == after["ambiguous"] == 0  # what was on its way was waited for
    assert 100 <= after["sent"] < 600
    assert len(delivered(root)) == after["sent"]
    with running(root) as daemon:
        wait_for(finished(root), daemon)
        end(daemon)
    assert states(root) == {"sent": 600}
    assert len(set(delivered(root))) == len(delivered(root)) == 600
    assert not [line for line in log(root) if line["level"] == "error"]


@pytest.mark.slow
@pytest.mark.parametrize("handed_over", [True, False])
def test_a_channel_that_hangs_does_not_keep_the_daemon(tmp_path: Path, *, handed_over: bool) -> None:
    """It hangs while a file is there: a plugin that changes pauses what was launched with it."""
    sleep = "await asyncio.sleep(%s if Path(__file__).parents[1].joinpath('hangs').exists() else 0)"
    channel = SLOW_CHANNEL.replace("await asyncio.sleep(%s)", f"hand_over(message); {sleep}" if handed_over else sleep)
    channel = channel.replace("import asyncio\n", "import asyncio\nfrom pathlib import Path\n")
    root = launched_project(tmp_path, customers=5, launched_at=an_hour_ago(), slow=600, slow_channel=channel)
    (root / "hangs").touch()
    with running(root) as daemon:
        wait_for(lambda: states(root)["sending"] == 5, daemon)
        wait_for(lambda: not handed_over or has_handed_over(root), daemon)
        end(daemon)  # long before the ten minutes that the channel takes
    (root / "hangs").unlink()
    with running(root) as daemon:
        wait_for(finished(root), daemon)
        end(daemon)
    # One may have arrived, so it is never sent again; the others never left.
    assert (account(root).ambiguous, account(root).sent) == ((1, 4) if handed_over else (0, 5))
    assert len(delivered(root)) == account(root).sent


def test_kill_9_while_sending_leaves_everybody_accounted_for(tmp_path: Path) -> None:
    root = launched_project(tmp_path, customers=600, launched_at=an_hour_ago(), slow=0.02)
    with running(root) as daemon:
        wait_for(lambda: states(root)["sent"] >= 100, daemon)
        daemon.kill()
        daemon.wait()
    with running(root) as daemon:
        wait_for(finished(root), daemon)
        end(daemon)
    after = account(root)
    assert after.sent + after.ambiguous == after.audience == 600
    assert after.ambiguous <= 4 * 32  # at most what was on its way
    arrived = delivered(root)
    assert len(set(arrived)) == len(arrived)
    assert after.sent <= len(arrived) <= 600


@pytest.mark.slow
def test_kill_9_while_planning_leaves_everybody_accounted_for(tmp_path: Path) -> None:
    root = launched_project(tmp_path, customers=12_000, launched_at=an_hour_ago(), slow=0.5)
    with running(root) as daemon:
        planned = "SELECT count(*) FROM batch WHERE state = 'planned'"
        wait_for(lambda: rows(root, planned)[0][0] >= 1, daemon)
        daemon.kill()
        daemon.wait()
    assert 0 < rows(root, "SELECT count(*) FROM decision")[0][0] < 12_000
    with running(root) as daemon:
        wait_for(lambda: rows(root, planned) == [(12,)], daemon)
        daemon.kill()
        daemon.wait()
    assert rows(root, "SELECT count(*), count(DISTINCT customer_id) FROM decision") == [(12_000, 12_000)]
    assert rows(root, "SELECT count(*), count(DISTINCT decision_id) FROM message") == [(12_000, 12_000)]
    after = account(root)
    assert (after.audience, after.unplanned) == (12_000, 0)


@pytest.mark.slow
@pytest.mark.parametrize("edit", ["topics: {promotions: [", "data_dir: elsewhere"], ids=["broken", "moved"])
def test_stop_all_takes_effect_before_the_next_message(tmp_path: Path, edit: str) -> None:
    """Although config.yaml was broken, or names another data folder, while the daemon goes on."""
    root = launched_project(tmp_path, customers=4_000, launched_at=an_hour_ago(), slow=0.1)
    sound = (root / "config.yaml").read_text()
    with running(root) as daemon:
        wait_for(lambda: states(root)["sent"] >= 50, daemon)
        (root / "config.yaml").write_text(f"{sound}{edit}\n")
        wait_for(lambda: [line for line in log(root) if "config.yaml" in str(line.get("problem", ""))], daemon)
        assert automation(root, "stop", "--all").returncode == 0
        wait_for(lambda: states(root)["sending"] == 0, daemon)
        still = states(root)["sent"]
        wait_for_heartbeats(root, daemon)
        assert states(root)["sent"] == still < 4_000
        end(daemon)
    (root / "config.yaml").write_text(sound)
    with running(root) as daemon:  # a restart doesn't take it back
        wait_for(lambda: is_running(root, daemon), daemon)
        wait_for_heartbeats(root, daemon)
        assert states(root)["sent"] == still
        assert automation(root, "resume", "--all").returncode == 0
        wait_for(lambda: states(root)["sent"] > still, daemon)
        end(daemon)


@pytest.mark.slow
def test_files_are_taken_over_while_it_runs_and_an_invalid_one_harms_nobody(tmp_path: Path) -> None:
    root = launched_project(tmp_path, customers=50, launched_at=an_hour_ago())
    with running(root) as daemon:
        wait_for(finished(root), daemon)
        (root / "campaigns" / "broken.yaml").write_text("name: broken\ntopic: promotion\n")
        wait_for(lambda: [e for e in log(root) if "broken.yaml" in e.get("problem", "")], daemon)
        wait_for(lambda: read_heartbeat(root)["invalid"], daemon)
        status = json_of(root, "status")
        assert {c["name"]: c["state"] for c in status["campaigns"]} == {"broken": "invalid", "hello": "launched"}
        assert any("did you mean 'promotions'" in problem for problem in read_heartbeat(root)["invalid"])
        by_daemon = json_of(root, "run", "hello", "--request", "again", "--override-guards")
        assert by_daemon["account"]["sent"] == 50
        (root / "campaigns" / "broken.yaml").write_text(CAMPAIGN % ("broken", "every: day 09:00"))
        wait_for(lambda: [e for e in log(root) if e["event"] == "problem solved"], daemon)
        text = (root / "config.yaml").read_text()
        (root / "config.yaml").write_text("shop: {name: Toy\n")
        wait_for(lambda: [e for e in log(root) if "config.yaml" in e.get("problem", "")], daemon)
        (root / "config.yaml").write_text(text)
        end(daemon)
    ids = delivered(root)
    assert len(ids) == len(set(ids))
    assert len(ids) == 100


@pytest.mark.slow
def test_on_merge_launches_what_is_valid(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    open_store(root / "var" / "store.db").close()
    (root / "campaigns" / "broken.yaml").write_text("name: broken\n")
    (root / "config.yaml").write_text((root / "config.yaml").read_text() + "launch: on_merge\n")
    with running(root) as daemon:
        wait_for(lambda: rows(root, "SELECT campaign FROM launch") == [("hello",)], daemon)
        end(daemon)


@pytest.mark.slow
def test_on_merge_launches_nothing_whose_messages_have_errors(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    with open_workspace(root) as workspace:
        fill(workspace, 3)
    body = root / "templates/hello/email.html"
    sound = body.read_text()
    body.write_text(sound + "<p>{{ customer.nickname }}</p>")
    (root / "config.yaml").write_text((root / "config.yaml").read_text() + "launch: on_merge\n")
    with running(root) as daemon:
        wait_for(lambda: (json_of(root, "status")["daemon"]["last_beat"] or {}).get("not_launched"), daemon)
        assert rows(root, "SELECT campaign FROM launch") == []
        shown = " ".join(automation(root, "status").stdout.split())
        assert "campaign 'hello' is not launched, its messages have errors: 3 messages:" in shown
        assert "'nickname' is not known" in shown
        body.write_text(sound)
        wait_for(lambda: rows(root, "SELECT campaign FROM launch") == [("hello",)], daemon)
        end(daemon)


@pytest.mark.slow
def test_a_due_time_fires_when_the_clock_reaches_it(tmp_path: Path) -> None:
    now = SystemClock().now()
    launched_at = now.replace(second=0, microsecond=0) if now.second < 50 else now + timedelta(seconds=15)
    root = launched_project(tmp_path, customers=20, launched_at=launched_at, schedule="every: 1m")
    with running(root) as daemon:
        wait_for(finished(root), daemon, patience=120)
        end(daemon)
    due, created = rows(root, "SELECT due_at, created_at FROM run ORDER BY id LIMIT 1")[0]
    assert datetime.fromtimestamp(due / 1000, UTC).second == 0
    assert 0 <= created - due < 60_000  # after its instant, and before the next one


@pytest.mark.slow
def test_a_bounce_in_the_mailbox_reaches_the_suppression_list(tmp_path: Path) -> None:
    root = launched_project(tmp_path, customers=3, launched_at=an_hour_ago())
    (root / "var/back/new").mkdir(parents=True)
    with (root / "config.yaml").open("a") as config:
        config.write("mailbox: {maildir: var/back}\n")
    with running(root) as daemon:
        wait_for(lambda: states(root)["sent"] == 3, daemon)
    (message,) = rows(root, "SELECT id FROM message WHERE customer_id = 'c00001'")[0]
    with open_workspace(root) as workspace:
        returned = Rerendering(workspace).message(message)
    (root / "var/back/new/1").write_text(bounce(returned))
    with running(root) as daemon:
        wait_for((root / "var/back/cur/1:2,S").exists, daemon)
    assert rows(root, "SELECT address, reason, source FROM suppression") == [
        ("c00001@toy.example", "hard_bounce", "mailbox")
    ]
