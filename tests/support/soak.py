"""A daemon with real worker processes against a real SMTP sink, killed and frozen at random moments.

What must hold afterwards: nothing arrived twice, nothing is lost without a trace, and what the ledger calls ambiguous
is at most what had been handed over and not answered when something was killed.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from automation.clock import SystemClock
from automation.inbound.migration.gate import confirm_nothing_to_import
from automation.store import runs
from automation.store.driver import sqlite
from automation.store.engine import open_store
from automation.store.ledger import accounts
from automation.types.run import Account
from automation.workspace.workspace import open_workspace
from support.project import command, launched_project
from support.sink import Running

CONNECTIONS = 4
SMTP = """
shop: {name: Toy, timezone: Europe/Berlin, email: hi@toy.example, address: Street 1}
topics: {promotions: marketing}
channels:
  email:
    using: smtp
    options: {host: 127.0.0.1, port: %d, tls: none, connections: %d, response_timeout: 20}
workers: %d
"""


@dataclass
class Faults:
    """What was done to whom."""

    workers_killed: int = 0
    workers_frozen: int = 0
    daemons_killed: int = 0
    daemons_frozen: int = 0
    moments: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return self.workers_killed + self.daemons_killed

    @property
    def zombies(self) -> int:
        return self.workers_frozen + self.daemons_frozen


@dataclass(frozen=True)
class Outcome:
    """What is left when everything is settled."""

    account: Account
    taken: Counter[str]
    states: dict[str, str]
    seconds: float

    @property
    def duplicates(self) -> int:
        return sum(count - 1 for count in self.taken.values())

    @property
    def unaccounted(self) -> int:
        """Sent as the ledger has it, but never arrived; or arrived, and the ledger knows nothing of it."""
        lost = sum(state == "sent" and message not in self.taken for message, state in self.states.items())
        strange = sum(self.states.get(message) not in ("sent", "ambiguous") for message in self.taken)
        return lost + strange

    @property
    def never_arrived(self) -> int:
        """Ambiguous messages that did not arrive: handed over, and lost on the way."""
        return sum(state == "ambiguous" and message not in self.taken for message, state in self.states.items())


AN_HOUR = timedelta(hours=1)


def soaked_project(
    folder: Path, sink: Running, *, customers: int, workers: int = 2, launched: timedelta = AN_HOUR
) -> Path:
    """A launched campaign, to be sent to the sink; it is due half an hour after its launch.

    launched: how long ago.
    """
    root = launched_project(folder, customers=customers, launched_at=SystemClock().now() - launched)
    (root / "config.yaml").write_text(SMTP % (sink.port, CONNECTIONS, workers))
    with open_workspace(root) as workspace:
        confirm_nothing_to_import(workspace, by="test", because="nobody is real")
    return root


class Soak:
    """The daemon of one project, and the hand that kills it. output: where the daemon prints to."""

    def __init__(self, root: Path, seed: int, output: Path | None = None) -> None:
        self.root = root
        self.output = output or root / "daemon.out"
        self.random = random.Random(seed)
        self.faults = Faults()
        self.daemon: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            assert self.daemon is not None
            self.daemon.kill()
            self.daemon.wait()
            for pid in self.workers():
                _signal(pid, signal.SIGKILL)

    def start(self) -> None:
        log = self.output.open("ab")
        self.daemon = subprocess.Popen(command(self.root, "daemon"), stdout=log, stderr=subprocess.STDOUT)
        log.close()

    def workers(self) -> list[int]:
        """The delivering processes that live, by the workers that have not ended."""
        pids = [row[0] for row in self.rows("SELECT pid FROM worker WHERE ended_at IS NULL")]
        return [pid for pid in pids if _is_worker(pid)]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite.connect(f"file:{self.root}/var/store.db?mode=ro", uri=True, timeout=20)) as db:
            found: list[tuple[Any, ...]] = db.execute(query).fetchall()
            return found

    def states(self) -> Counter[str]:
        return Counter({str(state): int(str(n)) for state, n in self.rows(_STATES)})

    def settled(self) -> bool:
        counts = self.states()
        return bool(counts) and not counts["queued"] and not counts["sending"]

    def harm(self, kind: str) -> None:
        """Do something to the daemon, or to one of its workers."""
        assert self.daemon is not None
        workers = self.workers()
        if kind.startswith("worker") and not workers:
            return
        self.faults.moments.append(kind)
        if kind == "worker killed":
            _signal(self.random.choice(workers), signal.SIGKILL)
            self.faults.workers_killed += 1
        elif kind == "worker frozen":
            frozen = self.random.choice(workers)
            _signal(frozen, signal.SIGSTOP)
            self.faults.workers_frozen += 1
            time.sleep(self.random.uniform(4.0, 5.0))  # by now it was noticed
            _signal(frozen, signal.SIGCONT)
        elif kind == "daemon killed":
            self.daemon.kill()
            self.daemon.wait()
            self.faults.daemons_killed += 1
            time.sleep(self.random.uniform(0.0, 1.0))
            self.start()
        elif kind == "daemon frozen":
            _signal(self.daemon.pid, signal.SIGSTOP)
            self.faults.daemons_frozen += 1
            time.sleep(self.random.uniform(1.0, 5.0))
            _signal(self.daemon.pid, signal.SIGCONT)

    def wait_until(self, done: object, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not callable(done) or not done():
            assert time.monotonic() < until, f"it did not happen in time: {self.states()}; {self.faults}"
            assert self.daemon is None or self.daemon.poll() is None, self.output.read_text()[-3000:]
            time.sleep(0.1)

    def outcome(self, sink: Running, seconds: float) -> Outcome:
        states = {
            str(message): str(state) for message, state in self.rows("SELECT message_id, state FROM message_status")
        }
        return Outcome(account_of(self.root), sink.taken(), states, seconds)


_STATES = "SELECT state, count(*) FROM message_status GROUP BY state"


def account_of(root: Path) -> Account:
    """The only run's account, which always adds up."""
    store = open_store(root / "var" / "store.db", migrate=False)
    with store.reading() as connection:
        (run,) = runs.find(connection)
        found = accounts.account(connection, run.id)
    store.close()
    assert found.adds_up, found
    return found


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _is_worker(pid: int) -> bool:
    try:
        return b"automation.delivery.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
