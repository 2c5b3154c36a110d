"""Providers that hang or are slow: the other channels go on, and nothing leaves after an acknowledged word."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.channels_soak import IN_THE_SOCKET, add_channel, hanging_server
from support.project import automation, json_of
from support.sink import Running, sink
from support.soak import Soak, account_of, soaked_project

from automation.store.people import consent
from automation.workspace.workspace import open_workspace


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Soak, Running]]:
    """A daemon with two workers that sends to a server which thinks a second about every message."""
    with sink(tmp_path, think=1.0) as running:
        root = soaked_project(tmp_path / "shop", running, customers=600)
        soak = Soak(root, seed=1)
        with soak.running():
            soak.wait_until(lambda: soak.states()["sent"] >= 8, 60)
            yield soak, running


def left_after(running: Running, instant: float) -> list[str]:
    """The messages whose last byte came later than that, and can't have been handed over before."""
    lines = [line.split() for line in running.log.read_text().splitlines()]
    return [message for message, at in lines if float(at) > instant + IN_THE_SOCKET]


@pytest.mark.slow
def test_nothing_is_handed_over_after_stop_has_returned(slow: tuple[Soak, Running]) -> None:
    soak, running = slow
    assert automation(soak.root, "stop", "--all").returncode == 0
    stopped = time.monotonic()
    soak.wait_until(lambda: not soak.states()["sending"], 30)
    assert left_after(running, stopped) == []
    account = account_of(soak.root)
    assert account.sent == len(running.taken())
    assert account.sent + account.queued == 600


@pytest.mark.slow
def test_nobody_gets_what_is_handed_over_after_their_withdrawal(slow: tuple[Soak, Running]) -> None:
    """Everybody whose message is on its way withdraws; the others go on getting theirs."""
    soak, running = slow
    on_their_way = [
        str(row[0])
        for row in soak.rows(
            "SELECT m.customer_id FROM message m JOIN message_status s ON s.message_id = m.id WHERE s.state = 'sending'"
        )
    ]
    with open_workspace(soak.root) as workspace:
        with workspace.store.transaction() as connection:
            consent.record(
                connection, on_their_way, channel="email", topic="promotions", granted=False,
                at=workspace.clock.now(), source="page",
            )  # fmt: skip
        withdrawn = time.monotonic()
    soak.wait_until(lambda: soak.states()["sent"] >= len(on_their_way) + 16, 60)
    theirs = {str(message) for message, customer in soak.rows("SELECT id, customer_id FROM message")
              if customer in on_their_way}  # fmt: skip
    assert len(on_their_way) > 8
    assert theirs & set(left_after(running, withdrawn)) == set()
    assert soak.states()["suppressed"] > 0


@pytest.mark.slow
def test_a_hanging_provider_leaves_the_other_channels_alone(tmp_path: Path) -> None:
    with sink(tmp_path) as running, hanging_server() as port:
        root = soaked_project(tmp_path / "shop", running, customers=2_000)
        add_channel(root, "hangs", port, customers=2_000)
        soak = Soak(root, seed=1)
        with soak.running():
            soak.wait_until(lambda: len(running.taken()) == 2_000, 60)
            soak.wait_until(lambda: bool(json_of(root, "status")["silent"]), 40)
            (silent,) = json_of(root, "status")["silent"]
            assert (silent["channel"], silent["provider"]) == ("hangs", 0)
            told = "NOT ANSWERING: channel 'hangs' has not answered since"
            assert told in automation(root, "status").stdout  # also after a time-out, which is no answer
            assert soak.daemon is not None
            soak.daemon.send_signal(signal.SIGTERM)
            assert soak.daemon.wait(timeout=20) == 0
        assert soak.workers() == []
        states = soak.states()
        assert (states["sent"], states["queued"], states["sending"]) == (2_000, 2_000, 0)
