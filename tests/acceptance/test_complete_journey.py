"""A retailer's real data, one of the project's own campaigns, a real SMTP server: from import to the last receipt."""

from __future__ import annotations

import asyncio
import email
import email.policy
import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import polars as pl
import pytest
from support.smtp import Mailbox, smtp_server

from automation.clock import ManualClock
from automation.delivery.committer import Delivery
from automation.inbound.migration.gate import confirm_nothing_to_import
from automation.inbound.shop_import import import_data
from automation.reporting.explain import explain
from automation.reporting.run_status import run_status
from automation.runner import run as runs
from automation.runner.claim import claim
from automation.runner.finish import finish
from automation.runner.launch import launch
from automation.runner.training import train_models
from automation.schedule.due_times import Due
from automation.store.ledger import decisions
from automation.store.ledger.decisions import DecisionRow
from automation.types.run import Account, RunKind
from automation.types.schema import TableName
from automation.warehouse.importing.mapping import load_mapping
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace
from automation_surprise.recommender import SurpriseKnn

pytestmark = [pytest.mark.data, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
CAMPAIGN = "recommendations"
NEW_YEAR = datetime(2018, 1, 1, 8, tzinfo=UTC)
MAPPING = """
mappings:
  - table: customers
    columns:
      customer_id: household_id
      email: {template: "household-{household_id}@journey.example"}
      first_name: {constant: neighbour}
      language: {constant: en}
      age: age
      income: income
    consent:
      email: {promotions: granted}
      source: loyalty card terms of 2017
  - table: products
    columns:
      product_id: product_id
      name: {first: [product_type, product_category, department]}
      category: department
      brand: brand
  - table: events
    columns:
      customer_id: household_id
      type: {constant: purchase}
      occurred_at: transaction_timestamp
      product_id: product_id
      order_id: basket_id
      quantity: quantity
      amount: sales_value
    skip:
      - {column: quantity, at_most: 0, reason: nothing was taken home}
"""


@dataclass(frozen=True)
class Journey:
    """What the whole run left behind."""

    workspace: Workspace
    account: Account
    rows: list[DecisionRow]
    messages: dict[str, list[EmailMessage]]
    purchased: set[tuple[str, str]]


@pytest.fixture(scope="module")
def journey(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    root = tmp_path_factory.mktemp("shop")
    mailbox = Mailbox()
    with smtp_server(mailbox) as port:
        copy_project(root, port)
        workspace = open_workspace(root, clock=ManualClock(NEW_YEAR))
        with workspace:
            import_everything(workspace, shared_data / "completejourney")
            assert [card.admitted for card in train_models(workspace, ["similar"])] == [True]
            run_id = run_campaign(workspace)
            with workspace.store.reading() as connection:
                rows = decisions.find(connection, run_id=run_id, limit=10_000)
            yield Journey(
                workspace,
                run_status(workspace, run_id).account,
                rows,
                by_recipient(mailbox),
                purchases(shared_data / "completejourney"),
            )


def copy_project(root: Path, port: int) -> None:
    """The repository's own project; only the channel is another one."""
    for name in ("campaigns", "templates"):
        shutil.copytree(ROOT / name, root / name)
    text = (ROOT / "config.yaml").read_text()
    smtp = f"channels:\n  email:\n    using: smtp\n    options: {{host: 127.0.0.1, port: {port}, tls: none}}\n"
    replaced, count = re.subn(
        r"channels:\n  # Writes.*?\n    options: \{folder: var/outbox\}\n", smtp, text, flags=re.S
    )
    assert count == 1
    (root / "config.yaml").write_text(replaced)
    (root / "journey.yaml").write_text(MAPPING)


def import_everything(workspace: Workspace, data: Path) -> None:
    mapping = load_mapping(workspace.project.root / "journey.yaml")
    files: dict[TableName, str] = {
        "customers": "demographics.csv.gz",
        "products": "products.csv.gz",
        "events": "transactions_sample.csv.gz",
    }
    for table, name in files.items():
        report = import_data(workspace, table, [data / name], mapping)
        counted = report.added + report.updated + report.unchanged + report.duplicates + report.quarantined
        assert report.rows == counted + sum(report.skipped.values())
        assert report.rows == {"customers": 801, "products": 92_331, "events": 75_000}[table]


def run_campaign(workspace: Workspace) -> int:
    confirm_nothing_to_import(workspace, by="test", because="nobody was ever written to")
    launch(workspace, CAMPAIGN, by="test", audience=None)
    claimed = claim(workspace, CAMPAIGN, Due(RunKind.MANUAL, "first", NEW_YEAR))
    assert claimed is not None
    pinned = LaunchedCampaigns(workspace.project)
    runs.advance(workspace, pinned, claimed.id)
    asyncio.run(Delivery(workspace, pinned).deliver_due())
    finish(workspace)
    return claimed.id


def by_recipient(mailbox: Mailbox) -> dict[str, list[EmailMessage]]:
    found: dict[str, list[EmailMessage]] = {}
    for taken in mailbox.messages:
        parsed = email.message_from_bytes(taken.data, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        for recipient in taken.to:
            found.setdefault(recipient, []).append(parsed)
    return found


def purchases(data: Path) -> set[tuple[str, str]]:
    """Every household and product it ever took home, straight from the file."""
    lines = pl.read_csv(data / "transactions_sample.csv.gz", infer_schema=False)
    kept = lines.filter(pl.col("quantity").cast(pl.Float64) > 0)
    return set(kept.select("household_id", "product_id").iter_rows())


def texts(message: EmailMessage) -> tuple[str, str]:
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert isinstance(plain, EmailMessage)
    assert isinstance(html, EmailMessage)
    return plain.get_content(), html.get_content()


def test_the_run_reaches_its_end_and_adds_up(journey: Journey) -> None:
    assert journey.account.adds_up
    assert journey.account.sent >= 300
    assert journey.account.sent + journey.account.suppressed == journey.account.audience
    assert {row.reason for row in journey.rows} <= {"selected", "too_few_recommendations"}


def test_every_eligible_household_gets_exactly_one_whole_message(journey: Journey) -> None:
    eligible = {row.address for row in journey.rows if row.outcome == "message"}
    assert set(journey.messages) == eligible
    assert all(len(messages) == 1 for messages in journey.messages.values())
    for (message,) in journey.messages.values():
        assert not message.defects
        plain, html = texts(message)
        assert "neighbour" in plain
        assert "</html>" in html
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert len({message["Message-ID"] for (message,) in journey.messages.values()}) == len(eligible)


def names(journey: Journey) -> dict[str, str]:
    """Product id → name, from the imported catalogue."""
    folder = journey.workspace.project.data_dir / "warehouse" / "products"
    return dict(pl.read_parquet(sorted(folder.glob("*.parquet"))).select("product_id", "name").iter_rows())


def test_everyone_gets_six_real_products_that_they_never_bought(journey: Journey) -> None:
    known = set(names(journey))
    for row in journey.rows:
        if row.outcome != "message":
            continue
        products = [str(item["product_id"]) for item in row.items]
        assert len(set(products)) == 6
        assert set(products) <= known
        assert not {(row.customer_id, product) for product in products} & journey.purchased


def test_the_explanation_says_what_the_message_says(journey: Journey) -> None:
    catalogue = names(journey)
    contacted = sorted(row.customer_id for row in journey.rows if row.outcome == "message")
    for customer in random.Random(42).sample(contacted, 20):
        found = explain(journey.workspace, CAMPAIGN, customer)
        assert found.decision is not None
        assert found.decision.state == "sent"
        assert all(rule.held for rule in found.rules)
        (message,) = journey.messages[f"household-{customer}@journey.example"]
        plain, _ = texts(message)
        written = " ".join(plain.split()).casefold()
        for item in found.decision.items:
            because = item["because"]
            assert isinstance(because, list)
            named = ", ".join(catalogue[str(product)] for product in because)
            reason = SurpriseKnn.reasons["en"][str(item["reason"])].replace("{products}", named)
            assert " ".join(reason.split()).casefold() in written
        assert found.versions["models"]["similar"]
        assert found.decision.message_id is not None
        assert found.decision.message_id in str(message["Message-ID"])
