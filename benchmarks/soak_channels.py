"""Three channels at once, one healthy, one slow and one that hangs, while people unsubscribe and an admin stops.

First the healthy channel's rate alone and beside the other two, in turn. Then 50 kills of workers and daemons, with
one-click unsubscribes over HTTP of people whose message is on its way, and stops of the slow campaign: nobody gets a
message that was handed over after the answer, nothing arrives twice, and nothing is lost without a trace.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from statistics import median

from measure import Measure, arguments, report, say

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.channels_soak import (
    Words,
    add_slow_and_hanging,
    hanging_server,
    is_settled,
    plan_now,
    rate_of,
    states_of,
    web_app,
)
from support.sink import sink
from support.soak import Soak, soaked_project

THINKS = 1.5
"""Seconds that the slow server thinks about each message."""
KINDS = ("worker killed", "worker killed", "daemon killed", "worker frozen")


def main() -> int:
    chosen = arguments(__doc__ or "")
    messages, rounds, kills = (3_000, 1, 4) if chosen.quick else (8_000, 3, 50)
    with tempfile.TemporaryDirectory() as top:
        rows = [*_rates(Path(top), messages, rounds), *_words(Path(top) / "words", kills)]
    return report(rows, chosen.format)


def _rates(top: Path, messages: int, rounds: int) -> list[Measure]:
    alone, beside = [], []
    for number in range(rounds):
        alone.append(_rate(top / f"alone{number}", messages, with_others=False))
        beside.append(_rate(top / f"beside{number}", messages, with_others=True))
        say(f"round {number + 1}: {alone[-1]:.0f} messages/s alone, {beside[-1]:.0f} beside the others")
    ratio = median(beside) / median(alone)
    return [
        Measure("healthy channel beside a hanging and a slow one", median(beside), "messages/s", median(alone), ratio,
                "ratio >= 0.9"),
    ]  # fmt: skip


def _rate(top: Path, messages: int, *, with_others: bool) -> float:
    """The rate of the healthy channel's messages as they arrive."""
    for name in ("healthy", "slow"):
        (top / name).mkdir(parents=True)
    with sink(top / "healthy") as healthy, sink(top / "slow", think=THINKS) as slow, hanging_server() as hanging:
        root = soaked_project(top / "shop", healthy, customers=messages, launched=timedelta(0))
        if with_others:
            add_slow_and_hanging(root, slow, hanging, few=400, launched=timedelta(0))
        plan_now(root)
        soak = Soak(root, seed=1)
        with soak.running():
            soak.wait_until(lambda: is_settled(soak, "email"), 300)
        return rate_of(healthy)


def _words(top: Path, kills: int) -> list[Measure]:
    for name in ("healthy", "slow"):
        (top / name).mkdir(parents=True)
    with (
        sink(top / "healthy", think=0.02) as healthy, sink(top / "slow", think=THINKS) as slow,
        hanging_server() as hanging,
    ):  # fmt: skip
        few = 60 + 12 * kills
        root = soaked_project(top / "shop", healthy, customers=400 * kills)
        add_slow_and_hanging(root, slow, hanging, few=few)
        soak = Soak(root, seed=2026)
        with soak.running(), web_app(root) as client:
            words = Words(soak, client)
            soak.wait_until(lambda: states_of(soak, "slow")["sent"] >= 8, 120)
            _harm(soak, words, kills)
            soak.wait_until(lambda: is_settled(soak, "email") and is_settled(soak, "slow"), 900)
        broken = words.broken(slow)
        twice = sum(count - 1 for taken in (healthy.taken(), slow.taken()) for count in taken.values())
        lost = _lost(soak, {**healthy.taken(), **slow.taken()})
    for line in broken:
        say(line)
    return [
        Measure("kill -9 of workers and daemons", soak.faults.kills, "", target=f"value >= {kills}"),
        Measure("frozen workers", soak.faults.zombies, ""),
        Measure("unsubscribed while their message was on its way", len(words.unsubscribed), "people",
                target=f"value >= {2 * kills}"),
        Measure("stops", len(words.stopped), "", target=f"value >= {kills // 5}"),
        Measure("handed over after an acknowledged word", len(broken), "messages", target="value <= 0"),
        Measure("arrived twice", twice, "messages", target="value <= 0"),
        Measure("lost without a trace", lost, "messages", target="value <= 0"),
        Measure("ambiguous", soak.states()["ambiguous"], "messages"),
    ]  # fmt: skip


def _harm(soak: Soak, words: Words, kills: int) -> None:
    number = 0
    while soak.faults.kills < kills and not is_settled(soak, "slow"):
        words.unsubscribe(4)
        if number % 6 == 3:
            words.stop_for_a_moment()
        time.sleep(soak.random.uniform(0.1, 0.8))
        soak.harm(KINDS[number % len(KINDS)])
        soak.wait_until(lambda: bool(soak.workers()), 60)
        number += 1
    say(f"{soak.faults.kills} kills, {soak.faults.zombies} zombies, {dict(words.answers)}, {dict(soak.states())}")


def _lost(soak: Soak, taken: dict[str, int]) -> int:
    """Sent as the ledger has it, but never arrived; or arrived, and the ledger knows nothing of it."""
    query = (
        "SELECT m.id, s.state FROM message m JOIN message_status s ON s.message_id = m.id WHERE m.channel != 'hangs'"
    )
    states = {str(message): str(state) for message, state in soak.rows(query)}
    lost = sum(state == "sent" and message not in taken for message, state in states.items())
    return lost + sum(states.get(message) not in ("sent", "ambiguous") for message in taken)


if __name__ == "__main__":
    sys.exit(main())
