"""Two campaigns that want the same customers in one week, from the file to what `explain` says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.toy_project import CAMPAIGN, CONFIG, account_of, deliver, outbox, toy_project

from automation.cli.explain_blocks import explain_blocks
from automation.cli.output import Table
from automation.clock import ManualClock
from automation.reporting.explain import explain
from automation.reporting.run_status import run_status
from automation.runner import run as runs
from automation.runner.claim import claim
from automation.runner.launch import launch
from automation.runner.plan import plan
from automation.schedule.due_times import Due
from automation.types.run import Account, RunKind
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace

CAPPED = CONFIG + "caps: {total: [1 per 7d]}\n"
SALE = """
name: sale
topic: promotions
priority: 80
schedule: {every: Tuesday 09:00}
audience: {trait: country, in: [PT, DE, FR]}
send: {channels: [email], template: toy}
"""
PLAIN = "<p>{{ customer.first_name }}</p><a href='{{ links.unsubscribe }}'>unsubscribe</a>"


def project(root: Path, *, config: str = CAPPED, limits: str = "") -> Workspace:
    """toy (priority 50) leaves by e-mail to c1 to c5; sale (80) wants c1, c2 and c3, of Portugal, Germany, France."""
    (root / "campaigns").mkdir(parents=True)
    (root / "campaigns/sale.yaml").write_text(SALE)
    workspace = toy_project(root, config=config, campaign=CAMPAIGN + limits, body=PLAIN)
    for name in ("toy", "sale"):
        launch(workspace, name, by="test", audience=None)
    return workspace


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workspace]:
    with project(tmp_path / "shop") as workspace:
        yield workspace


def start(workspace: Workspace, name: str, *, look: bool = False) -> int:
    pinned = LaunchedCampaigns(workspace.project)
    row = claim(workspace, name, Due(RunKind.MANUAL, "1", workspace.clock.now()))
    assert row is not None
    runs.advance(workspace, pinned, row.id)
    return row.id


def test_a_higher_priority_campaign_takes_the_cap_slots_of_queued_messages(shop: Workspace) -> None:
    foretold = plan(shop, "sale").displaced
    toy = start(shop, "toy")
    assert foretold == {}
    assert plan(shop, "sale").displaced == {"toy": 3}
    sale = start(shop, "sale")
    assert account_of(shop, toy) == Account(audience=6, unreachable=1, queued=2, cancelled=3)
    assert account_of(shop, sale) == Account(audience=3, queued=3)
    deliver(shop)
    assert account_of(shop, toy) == Account(audience=6, unreachable=1, sent=2, cancelled=3)
    assert account_of(shop, sale).sent == 3
    assert sorted(line["to"].split("@")[0] for line in outbox(shop)) == ["ana", "ben", "chloe", "dev", "eve"]
    assert run_status(shop, toy).reasons[("message", "arbitration_lost")] == 3


def test_a_displaced_message_is_explained_and_its_coupon_released(shop: Workspace) -> None:
    start(shop, "toy")
    start(shop, "sale")
    found = explain(shop, "toy", "c1")
    assert found.decision is not None
    assert (found.decision.state, found.decision.state_reason, found.decision.detail) == (
        "cancelled", "arbitration_lost", "sale",
    )  # fmt: skip
    assert found.decision.coupon_state == "released"
    table = next(block for block in explain_blocks(found) if isinstance(block, Table) and block.columns == ("", ""))
    facts = {str(name): fact for name, fact in table.rows}
    assert facts["decided"] == "message: a higher-priority campaign used this customer's send allowance"
    assert facts["detail"] == "sale"


def test_a_lower_priority_campaign_is_refused_once_the_cap_is_used(shop: Workspace) -> None:
    start(shop, "sale")
    toy = start(shop, "toy")
    assert account_of(shop, toy) == Account(audience=6, unreachable=1, suppressed=3, queued=2)
    deliver(shop)
    lost = explain(shop, "toy", "c1").decision
    assert lost is not None
    assert (lost.reason, lost.detail) == ("arbitration_lost", "sale")


def test_a_sent_message_keeps_its_cap_slot(shop: Workspace) -> None:
    start(shop, "toy")
    deliver(shop)
    sale = start(shop, "sale")
    assert account_of(shop, sale) == Account(audience=3, suppressed=3)
    refused = explain(shop, "sale", "c1").decision
    assert refused is not None
    assert (refused.reason, refused.detail) == ("frequency_cap", "1 per 7d in all")


def test_a_displaced_message_is_deferred_where_its_campaign_says_wait(tmp_path: Path) -> None:
    limits = "limits: {cap: 9 per 7d, when_capped: wait 8d}\n"
    with project(tmp_path / "shop", limits=limits) as shop:
        toy = start(shop, "toy")
        start(shop, "sale")
        deliver(shop)
        assert account_of(shop, toy) == Account(audience=6, unreachable=1, queued=3, sent=2)
        waits = explain(shop, "toy", "c1").decision
        assert waits is not None
        assert (waits.reason, waits.detail, waits.due_at) == (
            "deferred_for", "sale", shop.clock.now() + timedelta(days=7),
        )  # fmt: skip
        assert deliver(shop, after=timedelta(days=7)).sent == 3


def test_an_upcoming_run_reserves_its_cap_slots(tmp_path: Path) -> None:
    """It is Monday 11:00 in Berlin; the sale is due on Tuesday 9:00, in 22 hours."""
    for ahead, expected in (
        ("22h", Account(audience=6, unreachable=1, suppressed=3, queued=2)),
        ("21h", Account(audience=6, unreachable=1, queued=5)),
    ):
        config = CONFIG + f"caps: {{total: [1 per 7d], look_ahead: {ahead}}}\n"
        with project(tmp_path / ahead, config=config) as shop:
            toy = start(shop, "toy", look=True)
            assert account_of(shop, toy) == expected
    with open_workspace(tmp_path / "22h") as shop:
        lost = explain(shop, "toy", "c1").decision
        assert lost is not None
        assert (lost.reason, lost.detail) == ("arbitration_lost", "sale")


def test_min_gap_is_kept_between_send_times(tmp_path: Path) -> None:
    """toy waits 21 hours for its channel; the sale, due 21 hours after it, may then leave only 20 hours later."""
    with project(tmp_path / "shop", config=CONFIG + "caps: {min_gap: 20h}\n") as shop:
        toy = start(shop, "toy")
        later(shop, timedelta(hours=21))
        sale = start(shop, "sale")
        assert account_of(shop, sale) == Account(audience=3, queued=3)
        assert deliver(shop).sent == 5
        assert (account_of(shop, toy).sent, account_of(shop, sale).queued) == (5, 3)
        assert deliver(shop, after=timedelta(hours=19, minutes=59)).sent == 0
        assert deliver(shop, after=timedelta(minutes=2)).sent == 3


def later(workspace: Workspace, by: timedelta) -> None:
    assert isinstance(workspace.clock, ManualClock)
    workspace.clock.advance(by)


def test_at_equal_priority_the_higher_expected_value_wins(tmp_path: Path) -> None:
    """Both have priority 50; the policy expects 2 of the one and 3 of the other."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/valued.py").write_text(POLICY)
    worth = "offer: {using: valued, options: {worth: %s}, choose: [pct20]}\n"
    (tmp_path / "campaigns").mkdir()
    sale = SALE.replace("priority: 80\n", "") + worth % "3.0"
    (tmp_path / "campaigns/sale.yaml").write_text(sale)
    rules = CAMPAIGN[CAMPAIGN.index("offer:") : CAMPAIGN.index("send:")]
    campaign = CAMPAIGN.replace(rules, worth % "2.0")
    with toy_project(tmp_path, config=CAPPED, campaign=campaign, body=PLAIN) as shop:
        for name in ("toy", "sale"):
            launch(shop, name, by="test", audience=None)
        toy = start(shop, "toy")
        sale_run = start(shop, "sale")
        assert account_of(shop, toy) == Account(audience=6, unreachable=1, queued=2, cancelled=3)
        assert account_of(shop, sale_run).queued == 3
        assert json.loads(json.dumps(run_status(shop, toy).run.versions))["models"] == {}


POLICY = '''
import polars as pl

from automation.contracts import Options
from automation.hookspecs import hookimpl


class ValuedOptions(Options):
    worth: float


class Valued:
    """Always the first offer, worth what the file says."""

    Options = ValuedOptions

    def __init__(self, options):
        self.options = options

    def fit(self, data, *, seed, parts):
        return {}

    def save(self):
        return {}

    def load(self, arrays, *, parts):
        pass

    def plan(self, audience, offers, *, budget, seed):
        return {}

    def choose(self, batch, offers, plan):
        pairs = batch.select("customer_id").join(offers.select("offer", "expected_cost"), how="cross")
        first = pl.col("offer") == "pct20"
        return pairs.select(
            "customer_id", "offer", first.cast(pl.Float64).alias("probability"),
            pl.when(first).then(pl.lit(self.options.worth)).otherwise(0.0).alias("expected_value"), "expected_cost",
        )


@hookimpl
def register_offer_policies(register):
    register("valued", Valued)
'''
