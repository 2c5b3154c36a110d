"""How many events a second `POST /events` makes durable, against one insert a request.

Both are the real app on a real server (uvicorn in a process of its own, SQLite in WAL mode with synchronous=FULL),
asked over kept connections. Ours gets batches of 100; the rival gets the same events one a request, each with a
transaction and a sync of its own, which is what an endpoint without batches does. The ratio is of events a second.

Beside it, without a target: single events from 32 clients at once, whose transactions share commits.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import Measure, arguments, median_seconds, report, say

BATCH = 100
KEY = "a-key-for-the-benchmark"
HEAD = b"POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY.encode() + b"\r\nContent-Length: %d\r\n\r\n"
CONFIG = """
shop: {name: Toy, url: "https://toy.example"}
topics: {promotions: marketing}
channels: {email: {using: file, options: {folder: var/outbox}}}
web: {api_keys: ["${BENCHMARK_KEY}"]}
"""


@contextmanager
def served(root: Path) -> Iterator[str]:
    """`automation web` over an empty project; its address."""
    (root / "config.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "automation", "--project", str(root), "web", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "BENCHMARK_KEY": KEY})
    assert process.stdout is not None
    found = re.search(r"http://[\d.:]+", process.stdout.readline())
    assert found, "the web app did not start"
    try:
        yield found[0]
    finally:
        process.terminate()
        process.wait()


class Client:
    """Posts events that were never posted before, from bare sockets: a client library would be measured instead."""

    def __init__(self, address: str) -> None:
        self._host, _, port = address.removeprefix("http://").partition(":")
        self._port, self._made = int(port), 0

    def post(self, requests: int, each: int, clients: int = 1) -> None:
        asyncio.run(self._post(clients, [self._body(each) for _ in range(requests)]))

    async def _post(self, clients: int, bodies: list[bytes]) -> None:
        async def work() -> None:
            reader, writer = await asyncio.open_connection(self._host, self._port)
            while bodies:
                body = bodies.pop()
                writer.write(HEAD % len(body) + body)
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 "), head
                length = re.search(rb"content-length: (\d+)", head, flags=re.I)
                assert length
                await reader.readexactly(int(length[1]))
            writer.close()

        await asyncio.gather(*(work() for _ in range(clients)))

    def _body(self, each: int) -> bytes:
        events = [self._event(self._made + n) for n in range(each)]
        self._made += each
        return json.dumps({"events": events}).encode()

    @staticmethod
    def _event(number: int) -> dict[str, object]:
        return {
            "event_id": f"order-{number:09}", "customer_id": f"c{number % 5_000:05}", "type": "purchase",
            "occurred_at": "2026-03-01T10:00:00Z", "product_id": f"p{number % 300}", "order_id": f"o{number}",
            "quantity": 1, "amount": 19.9, "currency": "EUR", "attributes": {"category": "tea", "device": "phone"},
        }  # fmt: skip


def kept(root: Path) -> int:
    """How many events lie in the store, read from outside."""
    with sqlite3.connect(root / "var" / "store.db") as store:
        (count,) = store.execute("SELECT count(*) FROM inbox").fetchone()
    return int(count)


def main() -> int:
    chosen = arguments(__doc__ or "")
    batches, single, rounds = (20, 200, 5) if chosen.quick else (100, 1_000, 7)
    with tempfile.TemporaryDirectory() as top, served(Path(top)) as address:
        client = Client(address)
        client.post(2, BATCH)
        taken = median_seconds(
            {
                "batches": lambda: client.post(batches, BATCH),
                "one by one": lambda: client.post(single, 1),
                "32 clients": lambda: client.post(single, 1, clients=32),
            },
            rounds,
        )
        expected = 2 * BATCH + rounds * (batches * BATCH + 2 * single)
        assert kept(Path(top)) == expected, "an acknowledged event is not in the store"
    rate, alone = batches * BATCH / taken["batches"], single / taken["one by one"]
    say(f"{batches} batches of {BATCH} and {single} single events a round, {rounds} rounds in turn, medians")
    return report(
        [
            Measure("POST /events, durable", rate, "events/s", None, None, "value >= 2000"),
            Measure("POST /events, batches of 100", rate, "events/s", alone, rate / alone, "ratio >= 5"),
            Measure("single events, 32 clients at once", single / taken["32 clients"], "events/s", alone,
                    single / taken["32 clients"] / alone),
        ],
        chosen.format,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
