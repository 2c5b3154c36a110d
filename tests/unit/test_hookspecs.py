"""A plugin that implements every hook takes part in one real run; a hook that shipped code never calls fails here."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from automation import hookspecs
from automation.clock import ManualClock
from automation.delivery.committer import Delivery
from automation.inbound.flush import flush_events
from automation.inbound.shop_import import import_data
from automation.plugin_manager import Registry
from automation.runner import run as runs
from automation.runner.claim import claim
from automation.runner.finish import finish
from automation.runner.launch import launch
from automation.runner.training import train_models
from automation.schedule.due_times import Due
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.store.ledger import decisions
from automation.types.run import Account, RunKind
from automation.warehouse.importing.mapping import load_mapping
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)

FILES = {
    "config.yaml": """
shop: {name: Toy, timezone: Europe/Berlin, email: hi@toy.example, address: Street 1}
topics: {promotions: marketing}
channels: {email: {using: listed}}
offers:
  pct10: {kind: percent, value: 10%, label: 10 % off}
models:
  bought: {using: buyers}
  picks: {using: alphabetical}
suppressions:
  - {using: holidays}
""",
    "campaigns/hello.yaml": """
name: hello
topic: promotions
schedule: {every: Monday 12:00}
audience:
  all:
    - {initial: A}
    - {segment: bought}
recommend: {using: picks, items: 2}
offer: {using: generous, choose: [pct10]}
send: {channels: [email], template: hello}
""",
    "templates/hello/email.html": (
        "<p>{{ customer.first_name | shout }}: {{ offer.label }}, "
        "{% for item in items %}{{ item.name }} {% endfor %}</p>"
    ),
    "templates/hello/en.yaml": "subject: Hello\n",
    "mapping.yaml": """
mappings:
  - table: customers
    columns: {customer_id: id, email: email, first_name: name}
    consent: {email: {promotions: granted}, source: a form}
  - table: products
    columns: {product_id: id, name: name}
  - table: events
    columns: {event_id: id, customer_id: customer, type: {constant: purchase}, occurred_at: at, product_id: product}
""",
    # Ana and Abe bought; Amy never did, and Ben's name begins with another letter. Abe is the one on holiday.
    "customers.psv": "id|email|name\nc1|ana@x.example|Ana\nc2|ben@x.example|Ben\n"
    "c3|abe@x.example|Abe\nc4|amy@x.example|Amy\n",
    "products.psv": "id|name\np1|Tea\np2|Mug\np3|Pot\n",
    "events.psv": "id|customer|at|product\ne1|c1|2026-04-01T10:00:00Z|p3\n"
    "e2|c2|2026-04-02T10:00:00Z|p3\ne3|c3|never|p3\n",
}


BOUGHT = InboxEvent("e4", "c3", "purchase", datetime(2026, 4, 3, 10, tzinfo=UTC))


@dataclass(frozen=True)
class Recorded:
    """What the plugin saw of one run."""

    registry: Registry
    calls: list[tuple[str, dict[str, Any]]]
    delivered: list[Any]
    reasons: dict[str, str]

    def only(self, hook: str) -> dict[str, Any]:
        (values,) = (values for name, values in self.calls if name == hook)
        return values


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    root = tmp_path_factory.mktemp("shop")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "plugins").mkdir()
    shutil.copy(Path(__file__).with_name("recorder.py"), root / "plugins" / "recorder.py")
    with open_workspace(root, clock=ManualClock(NOON)) as workspace:
        run_once(workspace)
        with workspace.store.reading() as connection:
            reasons = {row.customer_id: row.reason for row in decisions.find(connection)}
        registry = workspace.project.registry
        module: Any = registry.plugins["recorder"].module
        yield Recorded(registry, module.CALLS, module.DELIVERED, reasons)


def run_once(workspace: Workspace) -> None:
    mapping = load_mapping(workspace.project.root / "mapping.yaml")
    for table in ("customers", "products", "events"):
        import_data(workspace, table, [workspace.project.root / f"{table}.psv"], mapping)
    with workspace.store.transaction() as connection:
        inbox.add_events(connection, [BOUGHT], now=NOON)
    with contextlib.closing(workspace.warehouse()) as warehouse:
        flush_events(workspace, warehouse)
    train_models(workspace)
    launch(workspace, "hello", by="test", audience=None)
    claimed = claim(workspace, "hello", Due(RunKind.MANUAL, "first", NOON))
    assert claimed is not None
    pinned = LaunchedCampaigns(workspace.project)
    runs.advance(workspace, pinned, claimed.id)
    asyncio.run(Delivery(workspace, pinned).deliver_due())
    finish(workspace)


def hooks() -> dict[str, inspect.Signature]:
    """Every hook of the page, with what it is given."""
    found = {name: value for name, value in vars(hookspecs).items() if hasattr(value, "automation_spec")}
    return {name: inspect.signature(value) for name, value in found.items()}


@pytest.mark.parametrize("hook", hooks())
def test_shipped_code_calls_the_hook_with_exactly_what_the_page_says(recorded: Recorded, hook: str) -> None:
    given = [values for name, values in recorded.calls if name == hook]
    assert given, f"nothing calls {hook}"
    implemented = inspect.signature(getattr(recorded.registry.plugins["recorder"].module, hook))
    assert list(implemented.parameters) == list(hooks()[hook].parameters)
    assert all(list(values) == list(implemented.parameters) for values in given)


def test_no_observer_failed(recorded: Recorded) -> None:
    assert recorded.registry.failures == {}


@pytest.mark.parametrize("hook", hooks())
def test_the_hook_is_documented_with_exactly_its_arguments(hook: str) -> None:
    page = (ROOT / "docs" / "reference" / "hooks.md").read_text()
    arguments = ", ".join(hooks()[hook].parameters)
    assert f"## `{hook}({arguments})`" in page


def test_no_hook_is_documented_that_does_not_exist() -> None:
    page = (ROOT / "docs" / "reference" / "hooks.md").read_text()
    assert set(re.findall(r"^## `(\w+)\(", page, flags=re.M)) == set(hooks())


def test_every_contribution_took_part(recorded: Recorded) -> None:
    """The source was read, the rule and the segment chose, the suppression refused, the rest is in the message."""
    message, closed = recorded.delivered
    assert (message.to, closed) == ("ana@x.example", "closed")
    assert "ANA: 10 % off, Tea Mug" in message.html
    assert recorded.reasons == {"c1": "selected", "c3": "on_holiday"}


def test_a_run_tells_its_observers_what_happened(recorded: Recorded) -> None:
    assert recorded.only("run_started")["audience"] == 2
    made = recorded.only("decisions_made")["decisions"].sort("customer_id")
    assert made.columns == ["customer_id", "outcome", "reason", "variant", "offer"]
    assert made.select("customer_id", "outcome", "offer").rows() == [
        ("c1", "message", "pct10"),
        ("c3", "suppressed", None),
    ]
    sent = recorded.only("messages_sent")["receipts"]
    assert sent.schema == {"message_id": pl.String, "verdict": pl.String, "detail": pl.String}
    assert sent.rows() == [(recorded.delivered[0].id, "sent", "listed")]
    finished = recorded.only("run_finished")
    assert finished["account"] == Account(audience=2, sent=1, suppressed=1)
    assert set(finished["figures"]) == {"seconds", "messages_a_second"}
    assert finished["campaign"] == recorded.only("run_started")["campaign"] == "hello"


def test_imports_and_flushes_are_told(recorded: Recorded) -> None:
    told = [tuple(values.values()) for name, values in recorded.calls if name == "events_recorded"]
    assert told == [("customers", 4, 0), ("products", 3, 0), ("events", 2, 1), ("events", 1, 0)]
