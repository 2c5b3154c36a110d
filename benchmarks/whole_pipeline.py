"""The whole way of a message, from the ledger's queue to the mail server, against the usual way of sending.

Ours renders, assembles MIME, signs (DKIM), sends through spawned processes, and commits every intent before and every
answer after, with SQLite's synchronous=FULL. The usual way renders with Jinja2's own sandbox, builds an `EmailMessage`
and sends through ten aiosmtplib connections; it keeps no account, signs nothing and leads no link through the shop.
Nor do ours where the two are compared; what that takes besides is printed beside it, as is RSA.
"""

from __future__ import annotations

import asyncio
import email.message
import json
import os
import subprocess
import tempfile
import time
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
from measure import Measure, say
from smtp_sink import smtp_sink

from automation.clock import SystemClock, to_millis
from automation.delivery.committer import Delivery, make_executor
from automation.store import launches, runs
from automation.store.ledger import ledger
from automation.store.people import consent
from automation.store.write_ahead_log import checkpoint
from automation.types.run import RunKind
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace

CONNECTIONS = 10
BATCH = 1_000
CONFIG = """
shop: {{name: Lindholm, url: "https://shop.example", email: hi@shop.example, address: Street 1}}
topics: {{promotions: marketing}}
channels:
  email:
    using: smtp
    options:
      host: 127.0.0.1
      port: {port}
      tls: none
      connections: {connections}
      messages_per_connection: 100000
      dkim: [{{domain: shop.example, selector: s1, key_file: dkim.pem}}]
senders: {{from: "Lindholm <hi@shop.example>"}}
links: {{base_url: "https://shop.example/mail", track: {track}}}
"""
CAMPAIGN = """
name: winback
topic: promotions
schedule: {every: day 09:00}
audience: everyone
send: {channels: [email], template: winback}
"""
ITEM = (
    '<tr><td style="padding:8px 0"><a href="{{ item.url }}" style="color:#1a1a1a"><strong>{{ item.name }}</strong></a>'
    '<br><span style="color:#666">{{ item.reason }}</span></td><td align="right">{{ item.price }} EUR</td></tr>'
)
HTML = (
    "<!doctype html><html><head><title>For you</title></head>"
    '<body style="font-family:Arial,sans-serif;margin:0"><table width="600" align="center">'
    "<tr><td><h1>Hello {{ customer.first_name }}, we miss you</h1>"
    "<p>It has been a while. {{ shop.name }} has put a few things aside for you, from what you liked.</p></td></tr>"
    "{% for item in items %}" + ITEM + "{% endfor %}"
    '<tr><td><p style="font-size:12px;color:#666">{{ shop.address }}<br>'
    '<a href="{{ links.unsubscribe }}">Unsubscribe</a></p></td></tr></table></body></html>'
)
SUBJECT = "{{ customer.first_name }}, look what came in"
REASON = "because you bought a lamp"
PRODUCTS = {
    f"p{n}": {"name": f"Globe lamp no. {n}", "url": f"https://shop.example/p/{n}", "price": f"{n}9.50"}
    for n in range(40)
}
CONTENT = {"products": PRODUCTS, "reasons": {"similar": {"bought": {"en": REASON, "de": "weil Sie eine Lampe haben"}}}}


def measures(*, quick: bool) -> list[Measure]:
    """Messages a second of both, the sink on the same cores."""
    count, naive_count, rounds = (8_000, 600, 2) if quick else (40_000, 2_000, 3)
    say(f"{count:,} messages of our pipeline and {naive_count:,} of the usual one a round, {rounds} rounds in turn")
    ours: dict[str, list[float]] = defaultdict(list)
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as top, smtp_sink() as port:
        for number in range(rounds):
            folder = Path(top) / str(number)
            theirs.append(asyncio.run(naive(port, naive_count)))
            ours["plain"].append(_ours(folder / "plain", port, count, "ed25519", "false"))
            ours["tracked"].append(_ours(folder / "tracked", port, count // 2, "ed25519", "true"))
            ours["rsa"].append(_ours(folder / "rsa", port, count // 2, "rsa", "false"))
    mine, usual = median(ours["plain"]), median(theirs)
    tracked, rsa = median(ours["tracked"]), median(ours["rsa"])
    return [
        Measure("whole pipeline, against the usual one", mine, "messages/s", usual, mine / usual, "ratio >= 8"),
        Measure("whole pipeline, ed25519", mine, "messages/s", target="value >= 2500"),
        Measure("the same, every link led through the shop", tracked, "messages/s", usual, tracked / usual),
        Measure("whole pipeline, RSA-2048", rsa, "messages/s", usual, rsa / usual),
    ]


def _ours(folder: Path, port: int, count: int, key: str, track: str) -> float:
    with _project(folder, port, count, key, track) as workspace:
        return asyncio.run(_deliver(workspace, count))


async def _deliver(workspace: Workspace, count: int) -> float:
    """The rate between the first results and the last: processes are started before."""
    times: list[tuple[float, int]] = []

    def note(_stage: str, done: int, _total: int) -> None:
        if done and (not times or done > times[-1][1]):
            times.append((time.perf_counter(), done))

    delivery = Delivery(workspace, LaunchedCampaigns(workspace.project), note, make_executor(workspace))
    await delivery.deliver_due()
    assert delivery.sent == count, (delivery.sent, count)
    (first, before), (last, after) = times[0], times[-1]
    return (after - before) / (last - first)


def _project(folder: Path, port: int, count: int, key: str, track: str) -> Workspace:
    """A launched campaign whose messages wait in the ledger."""
    for name in ("campaigns", "templates/winback"):
        (folder / name).mkdir(parents=True)
    options = ["ed25519"] if key == "ed25519" else ["rsa", "-pkeyopt", "rsa_keygen_bits:2048"]
    subprocess.run(["openssl", "genpkey", "-algorithm", *options, "-out", folder / "dkim.pem"], check=True, stderr=-3)
    (folder / "config.yaml").write_text(CONFIG.format(port=port, connections=CONNECTIONS, track=track))
    (folder / "campaigns/winback.yaml").write_text(CAMPAIGN)
    (folder / "templates/winback/email.html").write_text(HTML)
    (folder / "templates/winback/en.yaml").write_text(f'subject: "{SUBJECT}"\n')
    workspace = open_workspace(folder)
    run_id = _launched_run(workspace, count)
    now = SystemClock().now()
    for no in range(-(-count // BATCH)):
        rows = _rows(no, min(BATCH, count - no * BATCH), to_millis(now - timedelta(minutes=1)))
        with workspace.store.transaction() as connection:
            consent.record(connection, rows["customer_id"].to_list(), channel="email", topic="promotions",
                           granted=True, at=now, source="benchmark")  # fmt: skip
            ledger.plan(
                connection, run_id=run_id, batch_no=no, epoch=0, campaign="winback", topic="promotions", rows=rows,
                content=json.dumps(CONTENT), secret=workspace.store.id_secret, now=now,
            )  # fmt: skip
    checkpoint(workspace.store)
    return workspace


def _launched_run(workspace: Workspace, count: int) -> int:
    from automation.inbound.migration.gate import confirm_nothing_to_import
    from automation.runner.launch import launch

    confirm_nothing_to_import(workspace, by="benchmark", because="nobody is real")
    launch(workspace, "winback", by="benchmark", audience=count)
    with workspace.store.transaction() as connection:
        now = SystemClock().now()
        launched = launches.current_launches(connection)["winback"]
        run = runs.claim(
            connection, campaign="winback", kind=RunKind.MANUAL, due_key="1", due_at=now, launch_id=launched.id, now=now
        )
        assert run is not None
        sizes = [min(BATCH, count - start) for start in range(0, count, BATCH)]
        runs.freeze(connection, run.id, [["x"] * size for size in sizes], as_of=now, versions={})
        return run.id


def items(customer: int) -> list[dict[str, Any]]:
    """Six products of a customer."""
    why = {"score": 0.5, "reason": "bought", "because": [], "by": "similar"}
    return [{"product_id": f"p{(customer * 7 + n * 5) % 40}", **why} for n in range(6)]


def _rows(no: int, size: int, due: int) -> pl.DataFrame:
    numbers = range(no * BATCH, no * BATCH + size)
    context = '{"customer":{"first_name":"Ana %d","country":"DE","loyalty_tier":"gold"},"language":"en"}'
    fixed = {
        "step": "send", "visit": 0,
        "outcome": "message", "reason": "selected", "detail": "", "variant": None, "offer": None, "passed_over": "{}",
        "propensities": "{}",
        "channel": "email", "due_at": due, "expires_at": due + 86_400_000, "quiet_hours": None,
        "quiet_zone": None, "template": "winback", "coupon": None,
    }  # fmt: skip
    frame = pl.DataFrame(
        {
            "customer_id": [f"c{n:07d}" for n in numbers],
            "address": [f"c{n:07d}@example{n % 7}.org" for n in numbers],
            "items": [json.dumps(items(n)) for n in numbers],
            "context": [context % n for n in numbers],
        }
    )
    kinds = {**ledger.DECISION_COLUMNS, **ledger.MESSAGE_COLUMNS}
    return frame.with_columns(pl.lit(value, dtype=kinds[name]).alias(name) for name, value in fixed.items())


async def naive(port: int, count: int) -> float:
    """Jinja2's sandbox, `EmailMessage`, ten connections; the rate."""
    import aiosmtplib
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(autoescape=True)
    template, subject = environment.from_string(HTML), environment.from_string(SUBJECT)
    waiting = iter(range(count))

    def made(number: int) -> email.message.EmailMessage:
        context = {
            "customer": {"first_name": f"Ana {number}"},
            "items": [{**PRODUCTS[item["product_id"]], "reason": REASON} for item in items(number)],
            "shop": {"name": "Lindholm", "address": "Street 1"},
            "links": {"unsubscribe": "https://shop.example/mail/u/" + "x" * 65},
        }
        message = email.message.EmailMessage()
        message["From"], message["To"] = "Lindholm <hi@shop.example>", f"c{number}@example.org"
        message["Subject"] = subject.render(context)
        message["List-Unsubscribe"] = f"<{'https://shop.example/mail/u/' + 'x' * 65}>"
        message.set_content("Hello, look at this in a mail program that shows HTML.")
        message.add_alternative(template.render(context), subtype="html")
        return message

    async def work() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            for number in waiting:
                await client.send_message(made(number))

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    import sys

    from measure import arguments, report

    os.environ.setdefault("AUTOMATION_PLUGINS", "email,sources,popular,offers")
    chosen = arguments(__doc__ or "")
    sys.exit(report(measures(quick=chosen.quick), chosen.format))
