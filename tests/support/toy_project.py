"""A project over the toy shop: everything a run does, small enough to work out by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from automation.clock import ManualClock
from automation.delivery.committer import Delivery
from automation.runner import run as runs
from automation.runner.launch import launch
from automation.schedule.due_times import Due
from automation.store.people import consent, migration
from automation.testing.toy_shop import TOY_AS_OF, toy_customers, toy_events, toy_products
from automation.types.run import RunKind
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
    row = runs.claim(workspace, name, Due(RunKind.MANUAL, key, workspace.clock.now()))
    assert row is not None
    runs.advance(workspace, LaunchedCampaigns(workspace.project), row.id)
    return row.id


def deliver(workspace: Workspace, *, after: timedelta = timedelta(0)) -> Delivery:
    """Send what is due and close the runs that are done."""
    assert isinstance(workspace.clock, ManualClock)
    workspace.clock.advance(after)
    delivery = Delivery(workspace, LaunchedCampaigns(workspace.project))
    asyncio.run(delivery.deliver_due())
    runs.finish(workspace)
    return delivery


def outbox(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """The lines of what was written, in order."""
    path = workspace.project.root / "var/outbox/messages.jsonl"
    return (json.loads(line) for line in path.read_text().splitlines()) if path.exists() else iter(())
