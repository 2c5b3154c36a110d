"""A project over the toy shop: everything a run does, small enough to work out by hand."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from automation.clock import ManualClock
from automation.contracts import Channel
from automation.delivery.committer import Delivery, message_defaults
from automation.delivery.composer import Composer
from automation.delivery.in_process import InProcessExecutor
from automation.reporting.run_status import run_status
from automation.runner import run as runs
from automation.runner.claim import claim
from automation.runner.finish import finish
from automation.runner.launch import launch
from automation.schedule.due_times import Due
from automation.store.people import consent, migration
from automation.testing.toy_shop import TOY_AS_OF, toy_customers, toy_events, toy_products
from automation.types.run import Account, RunKind
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace

CONFIG = """
shop: {name: Toy, url: "https://toy.example", timezone: Europe/Berlin, email: hi@toy.example, address: Street 1}
topics: {promotions: marketing, service: service}
channels:
  email: {using: file, options: {folder: var/outbox}}
offers:
  pct10: {kind: percent, value: 10%, label: 10 % off, coupon: unique, code: TEN, expected_cost: 2 EUR}
  pct20: {kind: percent, value: 20%, label: 20 % off, coupon: shared, code: TWENTY, expected_cost: 4 EUR}
segments:
  tea: {did: purchase, where: {category: tea}}
"""
CAMPAIGN = """
name: toy
topic: promotions
schedule: {every: day 09:00}
audience: {did: purchase}
recommend: {using: popular, items: 2, exclude: [purchased, out_of_stock]}
offer:
  using: rules
  options: {first_of: [{if: {segment: tea}, give: pct10}, {otherwise: pct20}]}
  choose: [pct10, pct20]
  valid_for: 7d
send: {channels: [email], template: toy, utm: {campaign: spring}}
"""
BODY = """<p>Hello {{ customer.first_name }}</p>
{% for item in items %}<p>{{ item.name }} {{ item.reason }} {{ item.url }}</p>{% endfor %}
{% if offer %}<p>{{ offer.label }} {{ offer.code }} until {{ offer.valid_until }}</p>{% endif %}
<p>{{ today }} {{ shop.url }} <a href="{{ links.unsubscribe }}">unsubscribe</a></p>
"""


def toy_project(root: Path, *, campaign: str = CAMPAIGN, config: str = CONFIG, body: str = BODY) -> Workspace:
    """The project, filled, with everybody's consent; the clock stands at `TOY_AS_OF` and only moves by hand."""
    for folder in ("campaigns", "templates/toy"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "config.yaml").write_text(config)
    (root / "campaigns/toy.yaml").write_text(campaign)
    (root / "templates/toy/email.html").write_text(body)
    (root / "templates/toy/en.yaml").write_text("subject: Hello {{ customer.first_name }}\n")
    workspace = open_workspace(root, clock=ManualClock(TOY_AS_OF))
    warehouse = workspace.warehouse()
    warehouse.upsert("customers", toy_customers())
    warehouse.upsert("products", toy_products())
    warehouse.append_events(toy_events())
    warehouse.close()
    agreed = toy_customers()["customer_id"].to_list()
    with workspace.store.transaction() as connection:
        consent.record(
            connection, agreed, channel="email", topic="promotions", granted=True, at=TOY_AS_OF, source="test"
        )
        migration.record(connection, "nothing", by="test", now=TOY_AS_OF, detail="a test")
    return workspace


def start(workspace: Workspace, *, key: str = "1", name: str = "toy") -> int:
    """Launch, claim, freeze and plan; returns the run."""
    launch(workspace, name, by="test", audience=None)
    return again(workspace, key=key, name=name)


def again(workspace: Workspace, *, key: str, name: str = "toy") -> int:
    """Another run of what was launched."""
    row = claim(workspace, name, Due(RunKind.MANUAL, key, workspace.clock.now()))
    assert row is not None
    runs.advance(workspace, LaunchedCampaigns(workspace.project), row.id)
    return row.id


def delivery_of(workspace: Workspace, make: Callable[[str, int], Channel] | None = None) -> Delivery:
    """A committer that delivers in this process. make: gives the channel of a name and provider, instead of the
    project's own."""
    composer, reader = Composer(message_defaults(workspace)), workspace.store.revocations.reader
    executor = InProcessExecutor(workspace.project, composer, make, reader()) if make else None
    return Delivery(workspace, LaunchedCampaigns(workspace.project), executor=executor)


def deliver(
    workspace: Workspace, *, after: timedelta = timedelta(0), make: Callable[[str, int], Channel] | None = None
) -> Delivery:
    """Send what is due after that time, through the project's channels or those of `make`; close the runs that are
    done."""
    assert isinstance(workspace.clock, ManualClock)
    workspace.clock.advance(after)
    delivery = delivery_of(workspace, make)
    asyncio.run(delivery.deliver_due())
    finish(workspace)
    return delivery


def account_of(workspace: Workspace, run_id: int) -> Account:
    """The run's account, which always adds up."""
    found = run_status(workspace, run_id).account
    assert found.adds_up
    return found


def outbox(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """The lines of what was written, in order."""
    path = workspace.project.root / "var/outbox/messages.jsonl"
    return (json.loads(line) for line in path.read_text().splitlines()) if path.exists() else iter(())


def message_to(workspace: Workspace, address: str) -> tuple[EmailMessage, str]:
    """The one message in the Maildir for this address, and its HTML."""
    (line,) = [line for line in outbox(workspace) if line["to"] == address]
    parsed = email.message_from_bytes(
        (workspace.project.root / "var/outbox" / line["path"]).read_bytes(), policy=email.policy.default
    )
    assert isinstance(parsed, EmailMessage)
    html = parsed.get_body(("html",))
    assert isinstance(html, EmailMessage)
    return parsed, html.get_content()
