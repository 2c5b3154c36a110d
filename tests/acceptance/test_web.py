"""The web app as a real process: beside a daemon that sends, under generated requests, and in a browser."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from schemathesis.core.result import Ok
from support.browser import browsing
from support.project import automation, command, delivered, launched_project
from support.tokens import token_of
from support.web import BASE, KEY, sent

from automation.clock import SystemClock
from automation.store.engine import open_store
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.workspace.workspace import open_workspace

PATIENCE = 60.0


@contextmanager
def running(root: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command(root, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def serving(root: Path) -> Iterator[str]:
    """`automation web` on a free port; its address."""
    with running(root, "web", "--port", "0") as process:
        assert process.stdout is not None
        found = re.match(r"serving (http://127.0.0.1:\d+); stop with Ctrl-C\n", process.stdout.readline())
        assert found
        yield found[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) == 0


def address_of(root: Path, daemon: subprocess.Popen[str]) -> str:
    """Where the daemon's log says that it serves the web app."""
    log = root / "var" / "logs" / "daemon.jsonl"

    def found() -> list[str]:
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [line["address"] for line in lines if line["event"] == "web app listens"]

    wait_for(found, daemon)
    return found()[0]


def wait_for(what: Any, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE
    while not what():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


# Beside the daemon


@pytest.mark.slow
def test_an_unsubscribe_during_a_run_holds_for_every_message_not_yet_granted(tmp_path: Path) -> None:
    customers = 900  # a third of them are granted while the first leave; the others take about seven seconds
    root = launched_project(
        tmp_path, customers=customers, launched_at=SystemClock().now() - timedelta(hours=1), slow=0.1
    )
    config = root / "config.yaml"
    config.write_text(config.read_text() + "web: {port: 0}\n")
    store = open_store(root / "var" / "store.db")

    def states() -> dict[str, str]:
        with store.reading() as connection:
            return dict(
                tuple(row) for row in connection.exec_driver_sql("SELECT message_id, state FROM message_status")
            )

    with running(root, "daemon") as daemon, httpx.Client(base_url=address_of(root, daemon), timeout=PATIENCE) as client:
        wait_for(lambda: Counter(states().values())["sent"] >= 50, daemon)
        queued = [message for message, state in states().items() if state == "queued"][-40:]
        held = []
        for message in queued:
            answer = client.post(
                f"/u/{token_of(store.secret, 'unsubscribe', message)}", data={"List-Unsubscribe": "One-Click"}
            )
            assert answer.status_code == 200
            held += [message] if states()[message] in ("queued", "suppressed") else []
        wait_for(lambda: not {"queued", "sending"} & set(states().values()), daemon)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=PATIENCE) == 0
    after = states()
    store.close()
    assert len(held) >= 20  # the test would show nothing if the daemon had been faster
    assert {after[message] for message in held} == {"suppressed"}
    assert not set(held) & {name.split("@")[0] for name in delivered(root)}
    assert Counter(after.values()) == {"suppressed": len(held), "sent": customers - len(held)}


@pytest.mark.slow
def test_a_daemon_whose_links_would_lead_nowhere_sends_nothing(tmp_path: Path) -> None:
    root = launched_project(tmp_path, customers=5, launched_at=SystemClock().now() - timedelta(hours=1))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = root / "config.yaml"
        config.write_text(config.read_text() + f"web: {{port: {port}}}\n")
        ended = automation(root, "daemon")
    assert ended.returncode == 2
    assert f"the web app can't listen on 127.0.0.1:{port}: Address already in use" in ended.stderr
    assert delivered(root) == []


@pytest.mark.slow
def test_a_daemon_without_web_serves_nothing(tmp_path: Path) -> None:
    root = launched_project(tmp_path, customers=3, launched_at=SystemClock().now() - timedelta(hours=1))
    with running(root, "daemon") as daemon:
        wait_for(lambda: len(delivered(root)) == 3, daemon)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=PATIENCE) == 0
    assert "web app listens" not in (root / "var" / "logs" / "daemon.jsonl").read_text()


# A process of its own


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A toy shop that has sent its messages, served by `automation web`."""
    root = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOP_KEY", KEY)
        sent(root).store.close()
        with serving(root) as address:
            yield address, root


def message_ids(root: Path) -> list[str]:
    with open_workspace(root) as workspace, workspace.store.reading() as connection:
        return list(connection.exec_driver_sql("SELECT id FROM message ORDER BY customer_id").scalars())


def token(root: Path, purpose: str, message: str, link: int | None = None) -> str:
    store = open_store(root / "var" / "store.db")
    store.close()
    return token_of(store.secret, purpose, message, link=link)


def test_acknowledged_events_survive_kill_9(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", KEY)
    sent(tmp_path).store.close()
    taken: list[str] = []
    with running(tmp_path, "web", "--port", "0") as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[1].rstrip(";")
        with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {KEY}"}) as client:
            for batch in range(20):
                ids = [f"e{batch}-{n}" for n in range(50)]
                event = {"customer_id": "c1", "type": "view", "occurred_at": "2026-03-01T10:00:00Z"}
                answer = client.post("/events", json={"events": [{**event, "event_id": i} for i in ids]})
                assert answer.json()["accepted"] == 50
                taken += ids
            process.kill()
    store = open_store(tmp_path / "var" / "store.db")
    now = SystemClock().now()
    with store.transaction() as connection:
        assert inbox.add_events(connection, [InboxEvent(i, "c1", "view", now) for i in taken], now=now) == 0
    store.close()


@pytest.mark.slow
def test_the_web_log_holds_no_address_and_no_token(site: tuple[str, Path]) -> None:
    address, root = site
    message = message_ids(root)[0]
    for purpose, path in (("unsubscribe", "u"), ("open", "o"), ("preferences", "p")):
        assert httpx.get(f"{address}/{path}/{token(root, purpose, message)}").status_code == 200
    httpx.get(f"{address}/u/{'0' * 65}")
    log = (root / "var" / "logs" / "web.jsonl").read_text()
    assert "web app listens" in log
    assert message not in log
    assert "@" not in log
    assert "127.0.0.1" not in log.replace(address, "")


@pytest.mark.slow
def test_generated_requests_find_no_failure(site: tuple[str, Path]) -> None:
    """Every operation of the OpenAPI document, with tokens that hold and tokens that don't, and with the key."""
    address, root = site
    message = message_ids(root)[-1]
    purposes = {"/o/{token}": "open", "/u/{token}": "unsubscribe", "/p/{token}": "preferences",
                "/confirm/{token}": "confirm", "/c/{token}": "click"}  # fmt: skip
    tokens = {path: token(root, p, message, 0 if p == "click" else None) for path, p in purposes.items()}
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    statuses: Counter[tuple[str, str, int]] = Counter()
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    for operation in operations:

        @settings(
            max_examples=25, deadline=None, database=None, derandomize=True, verbosity=Verbosity.quiet,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case[Any]) -> None:
            right = len(statuses) % 2 == 0 or sum(statuses.values()) % 2 == 0
            if right and case.path in tokens:
                case.path_parameters = {"token": tokens[case.path]}
            headers = {"Authorization": f"Bearer {KEY}"} if right else {}
            answer = case.call(headers=headers, allow_redirects=False)
            statuses[case.method, case.path, answer.status_code] += 1
            assert answer.status_code < 500, (case.method, case.path, answer.text)

        ask()
    seen = {(method, path) for method, path, _ in statuses}
    assert seen == {(o.method.upper(), o.path) for o in operations}
    assert {("GET", "/c/{token}", 302), ("POST", "/u/{token}", 200), ("GET", "/u/{token}", 404)} <= set(statuses)
    assert statuses["POST", "/events", 401]
    assert statuses["POST", "/events", 200] + statuses["POST", "/events", 422]


# In a browser


@pytest.mark.slow
def test_a_browser_unsubscribes_and_chooses_by_the_keyboard_alone(site: tuple[str, Path], tmp_path: Path) -> None:
    address, root = site
    message = message_ids(root)[0]
    with browsing(tmp_path / "profile") as browser:
        browser.open(f"{address}/u/{token(root, 'unsubscribe', message)}")
        assert "Shall we stop sending you “Promotions” (e-mail)?" in browser.text()
        assert (
            browser.look("getComputedStyle(document.querySelector('main')).maxWidth") == "544px"
        )  # the style is let in
        browser.tab_to("button")
        browser.press("Enter", loads=True)
        assert "You are unsubscribed" in browser.text()
        assert consents(root, "c1") == {"promotions": 0}
        browser.tab_to("main a[href^='../p/']")
        browser.press("Enter", loads=True)
        assert browser.look("[...document.querySelectorAll('[name=yes]')].map(box => box.checked)") == [
            False,
            False,
            True,
        ]
        browser.tab_to("input[value='email.news_letter']")
        browser.press(" ")
        browser.tab_to("button:not([name])")
        browser.press("Enter", loads=True)
        assert "Your choice is saved." in browser.text()
        assert consents(root, "c1") == {"promotions": 0, "news_letter": 1}
        assert browser.complaints == []


def consents(root: Path, customer: str) -> dict[str, int]:
    store = open_store(root / "var" / "store.db")
    with store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT topic, granted FROM consent WHERE customer_id = ?", (customer,))
        found = dict(tuple(row) for row in rows)
    store.close()
    return found


@pytest.mark.slow
def test_what_the_messages_link_to_is_what_is_served(site: tuple[str, Path]) -> None:
    address, root = site
    (mail, *_) = sorted((root / "var" / "outbox" / "new").iterdir())
    text = mail.read_bytes().replace(b"=\r\n", b"").replace(b"=\n", b"").decode()
    (link,) = re.findall(rf"^List-Unsubscribe: <{re.escape(BASE)}(/u/[^>]+)>", re.sub(r"\n\s+", " ", text), flags=re.M)
    assert httpx.get(address + link).status_code == 200
