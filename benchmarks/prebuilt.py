"""Finished messages through our SMTP client, against Postfix's `smtp-source` and nodemailer's pool, into one sink."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from letters import letter
from measure import Measure, say
from smtp_sink import smtp_sink, tool

from automation.types.message import Rendered, Verdict
from automation_email.delivery import deliveries, envelope
from automation_email.mime import build
from automation_email.options import SmtpOptions
from automation_email.smtp import SmtpChannel

SOURCE_SESSIONS = 20
POOL_CONNECTIONS = 10
_SENDER, _TO = "shop@shop.example", "ana@example.org"


def measures(*, quick: bool) -> list[Measure]:
    """Rates in messages a second, medians of rounds in turn."""
    count, rounds = (4_000, 3) if quick else (20_000, 5)
    message = letter()
    data = build(message)
    say(f"{count:,} messages of {len(data):,} bytes a round, {rounds} rounds in turn, medians; one sink for all")
    with tempfile.TemporaryDirectory() as top, smtp_sink() as port:
        folder = Path(top)
        (folder / "message.eml").write_bytes(data)
        runs: dict[str, Callable[[], float]] = {
            "source": lambda: _smtp_source(port, count, len(data)),
            "ours 20": lambda: _ours(port, message, data, count, SOURCE_SESSIONS),
            "ours 10": lambda: _ours(port, message, data, count, POOL_CONNECTIONS),
        }
        if _nodemailer(folder):
            runs["nodemailer"] = lambda: _pool(port, count, folder)
        else:
            say("nodemailer is not measured: it needs node, npm and a registry")
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                rates[name].append(count / run())
    return _rows({name: statistics.median(found) for name, found in rates.items()})


def _rows(rate: dict[str, float]) -> list[Measure]:
    rows = [
        Measure(
            f"prebuilt, {SOURCE_SESSIONS} connections, against smtp-source", rate["ours 20"], "messages/s",
            rate["source"], rate["ours 20"] / rate["source"], "ratio >= 0.8",
        )
    ]  # fmt: skip
    if "nodemailer" in rate:
        rows.append(
            Measure(
                f"prebuilt, {POOL_CONNECTIONS} connections, against nodemailer's pool", rate["ours 10"], "messages/s",
                rate["nodemailer"], rate["ours 10"] / rate["nodemailer"], "ratio >= 4",
            )
        )  # fmt: skip
    return rows


def _ours(port: int, message: Rendered, data: bytes, count: int, connections: int) -> float:
    """Every message with an envelope of its own, an id and a receipt; connecting included."""
    messages = [replace(message, id=f"{number:032x}") for number in range(count)]

    async def run() -> float:
        channel = SmtpChannel(SmtpOptions(host="127.0.0.1", port=port, tls="none", connections=connections,
                                          messages_per_connection=count, local_hostname="shop.example"))  # fmt: skip
        handed_over: list[str] = []
        started = time.perf_counter()
        together, waiting = deliveries(messages, lambda one: handed_over.append(one.id))
        for delivery in waiting:
            delivery.envelope = envelope(_SENDER, _TO, data)
        channel.pool().submit(waiting)
        receipts = [receipt async for receipt in together.receipts()]
        taken = time.perf_counter() - started
        await channel.close()
        assert len(handed_over) == count
        assert all(receipt.verdict is Verdict.SENT for receipt in receipts)
        return taken

    return asyncio.run(run())


def _smtp_source(port: int, count: int, size: int) -> float:
    """Its connections stay open as ours do (-d); without that it is about half as fast."""
    program = tool("smtp-source")
    assert program is not None
    command = [program, "-d", "-s", str(SOURCE_SESSIONS), "-l", str(size), "-m", str(count), "-f", _SENDER]
    started = time.perf_counter()
    subprocess.run([*command, "-t", _TO, f"127.0.0.1:{port}"], check=True)
    return time.perf_counter() - started


def _nodemailer(folder: Path) -> bool:
    """Install it beside the message, where that can be done."""
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    shutil.copy(Path(__file__).with_name("nodemailer_pool.js"), folder)
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), "nodemailer"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _pool(port: int, count: int, folder: Path) -> float:
    command = ["node", "nodemailer_pool.js", str(port), str(count), str(POOL_CONNECTIONS), "message.eml"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout)
