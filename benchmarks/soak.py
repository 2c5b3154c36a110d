"""Real worker processes against a real SMTP sink, killed and frozen at random moments until everything is settled.

At least 50 kills and 10 zombies over 50,000 messages: nothing arrives twice, nothing is lost without a trace, and every
doubt is listed and was handed over when something was killed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from measure import Measure, arguments, report, say

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.sink import sink  # the tests' own harness, which the line above makes known
from support.soak import CONNECTIONS, Outcome, Soak, account_of, soaked_project

WORKERS = 2
KINDS = ("worker killed", "worker killed", "daemon killed", "worker killed", "worker frozen", "daemon frozen")


def main() -> int:
    chosen = arguments(__doc__ or "")
    customers, kills, zombies = (5_000, 4, 2) if chosen.quick else (50_000, 50, 10)
    with tempfile.TemporaryDirectory() as top, sink(Path(top), think=0.012) as running:
        root = soaked_project(Path(top) / "shop", running, customers=customers, workers=WORKERS)
        soak, started = Soak(root, seed=2026), time.monotonic()
        with soak.running():
            _harm_until(soak, kills, zombies)
            soak.wait_until(soak.settled, 1_200)
        found = soak.outcome(running, time.monotonic() - started)
    return report(_rows(soak, found, kills, zombies), chosen.format)


def _harm_until(soak: Soak, kills: int, zombies: int) -> None:
    """The rate leaves room for every fault: there is always something on its way."""
    soak.wait_until(lambda: soak.states()["sent"] > 50, 120)
    number = 0
    while (soak.faults.kills < kills or soak.faults.zombies < zombies) and not soak.settled():
        time.sleep(soak.random.uniform(0.1, 0.8))
        soak.harm(KINDS[number % len(KINDS)])
        number += 1
        account_of(soak.root)
        soak.wait_until(lambda: soak.workers() or soak.settled(), 60)
    say(f"{soak.faults.kills} kills and {soak.faults.zombies} zombies, {dict(soak.states())}")


def _rows(soak: Soak, found: Outcome, kills: int, zombies: int) -> list[Measure]:
    account, faults = found.account, soak.faults
    may = (faults.kills + faults.zombies) * WORKERS * CONNECTIONS
    return [
        Measure("messages", account.audience, ""),
        Measure("kill -9 of workers and daemons", faults.kills, "", target=f"value >= {kills}"),
        Measure("frozen workers and daemons", faults.zombies, "", target=f"value >= {zombies}"),
        Measure("arrived twice", found.duplicates, "messages", target="value <= 0"),
        Measure("lost without a trace", found.unaccounted, "messages", target="value <= 0"),
        Measure("not settled", account.audience - account.sent - account.ambiguous, "", target="value <= 0"),
        Measure("ambiguous", account.ambiguous, "messages", float(may), target=f"value <= {may}"),
        Measure("ambiguous that never arrived", found.never_arrived, "messages"),
        Measure("seconds", found.seconds, "s"),
    ]


if __name__ == "__main__":
    sys.exit(main())
