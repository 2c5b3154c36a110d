"""A shop with three e-mail channels: one healthy, one slow and one that hangs, each with a campaign for everybody."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx

from automation.clock import ManualClock, SystemClock
from automation.runner import run as runs
from automation.runner.claim import claim
from automation.runner.launch import launch
from automation.schedule.due_times import Due
from automation.store.engine import open_store
from automation.store.people import consent
from automation.types.run import RunKind
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import open_workspace
from support.project import automation, command
from support.sink import Running
from support.soak import AN_HOUR, Soak
from support.tokens import token_of

IN_THE_SOCKET = 0.25
"""Seconds that a message which was handed over before may take to be read on a busy machine."""


@contextmanager
def hanging_server() -> Iterator[int]:
    """Accepts connections and never answers; its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        yield server.getsockname()[1]


def add_channel(root: Path, name: str, port: int, *, customers: int, launched: timedelta = AN_HOUR) -> None:
    """Another channel, with a campaign of its name to this many customers. launched: how long ago."""
    config = (root / "config.yaml").read_text()
    options = f"{{host: 127.0.0.1, port: {port}, tls: none, connections: 4, response_timeout: 60}}"
    line = f"  {name}: {{using: smtp, options: {options}}}\n"
    (root / "config.yaml").write_text(config.replace("channels:\n", f"channels:\n{line}"))
    campaign = (root / "campaigns" / "hello.yaml").read_text().replace("hello\n", f"{name}\n", 1)
    (root / "campaigns" / f"{name}.yaml").write_text(campaign.replace("[email]", f"[{name}]"))
    with open_workspace(root, clock=ManualClock(SystemClock().now() - launched)) as workspace:
        with workspace.store.transaction() as connection:
            consent.record(
                connection, [f"c{number:05}" for number in range(customers)], channel=name, topic="promotions",
                granted=True, at=workspace.clock.now(), source="test",
            )  # fmt: skip
        launch(workspace, name, by="test", audience=customers)


def add_slow_and_hanging(root: Path, slow: Running, hanging: int, *, few: int, launched: timedelta = AN_HOUR) -> None:
    """Two more channels, each with a campaign to `few` customers."""
    add_channel(root, "slow", slow.port, customers=few, launched=launched)
    add_channel(root, "hangs", hanging, customers=few, launched=launched)


def plan_now(root: Path) -> None:
    """Plan a run of every campaign, so that nothing but sending is left."""
    with open_workspace(root) as workspace:
        pinned = LaunchedCampaigns(workspace.project)
        for name in workspace.project.campaigns:
            row = claim(workspace, name, Due(RunKind.MANUAL, "now", workspace.clock.now()))
            assert row is not None
            runs.advance(workspace, pinned, row.id)


@contextmanager
def web_app(root: Path) -> Iterator[httpx.Client]:
    """`automation web`, as a process of its own, and a client of it."""
    process = subprocess.Popen(command(root, "web", "--port", "0"), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.match(r"serving (http://127.0.0.1:\d+);", process.stdout.readline())
        assert found
        with httpx.Client(base_url=found[1], timeout=30) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@dataclass
class Words:
    """What people and admins said while messages were on their way, and when that was acknowledged.

    unsubscribed: by message, when the 200 came. stopped: each from the return of `stop` to the start of `resume`.
    """

    soak: Soak
    client: httpx.Client
    channel: str = "slow"
    unsubscribed: dict[str, float] = field(default_factory=dict)
    stopped: list[tuple[float, float]] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        with contextlib.closing(open_store(self.soak.root / "var" / "store.db", migrate=False)) as store:
            self._secret = store.secret

    def unsubscribe(self, most: int) -> None:
        """People whose message is on its way press their one-click unsubscribe."""
        on_its_way = (
            "SELECT m.id FROM message m JOIN message_status s ON s.message_id = m.id "
            f"WHERE m.channel = '{self.channel}' AND s.state = 'sending'"
        )
        ids = [str(row[0]) for row in self.soak.rows(on_its_way)]
        for message in self.soak.random.sample(ids, min(most, len(ids))):
            token = token_of(self._secret, "unsubscribe", message)
            answer = self.client.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"})
            self.answers[answer.status_code] += 1
            if answer.status_code == 200:
                self.unsubscribed.setdefault(message, time.monotonic())

    def stop_for_a_moment(self) -> None:
        """`automation stop` for the channel's campaign, and `resume` a second later."""
        assert automation(self.soak.root, "stop", self.channel).returncode == 0
        since = time.monotonic()
        time.sleep(1.0)
        until = time.monotonic()
        assert automation(self.soak.root, "resume", self.channel).returncode == 0
        self.stopped.append((since, until))

    def broken(self, sink: Running) -> list[str]:
        """The messages that were handed over in spite of it."""
        found = []
        for line in sink.log.read_text().splitlines():
            message, at = line.split()
            instant = float(at) - IN_THE_SOCKET
            if instant > self.unsubscribed.get(message, instant):
                found.append(f"{message} after its unsubscribe")
            if any(since < instant < until - IN_THE_SOCKET for since, until in self.stopped):
                found.append(f"{message} after stop")
        return found


def states_of(soak: Soak, channel: str) -> Counter[str]:
    """How many messages of a channel are in each state."""
    query = (
        "SELECT s.state, count(*) FROM message m JOIN message_status s ON s.message_id = m.id "
        f"WHERE m.channel = '{channel}' GROUP BY s.state"
    )
    return Counter({str(state): int(str(count)) for state, count in soak.rows(query)})


def is_settled(soak: Soak, channel: str) -> bool:
    """Whether everything of a channel that was planned has ended."""
    states = states_of(soak, channel)
    return bool(states) and not states["queued"] and not states["sending"]


def rate_of(sink: Running) -> float:
    """Messages a second, from the first tenth that came to the last but a tenth."""
    times = sorted(sink.times())
    first, last = len(times) // 10, len(times) * 9 // 10
    return (last - first) / (times[last] - times[first])
