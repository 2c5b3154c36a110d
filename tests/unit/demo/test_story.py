"""The demo from an empty folder to its summary, small: 500 customers and four days."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from automation.demo.starter import PARTS
from automation.demo.story import CAMPAIGNS, DemoSummary, run_demo


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoSummary, list[str]]:
    steps: list[str] = []
    return run_demo(tmp_path_factory.mktemp("demo") / "shop", customers=500, days=4, step=steps.append), steps


def test_every_member_of_every_audience_is_accounted_for(told: tuple[DemoSummary, list[str]]) -> None:
    summary, _ = told
    assert [campaign.name for campaign in summary.campaigns] == list(CAMPAIGNS)
    for campaign in summary.campaigns:
        account = campaign.account
        assert account.adds_up
        assert account.sent > 0
        assert account.sent + sum(campaign.reasons.values()) == account.audience
        assert campaign.responses["clicked"] <= campaign.responses["opened"] <= account.sent
        assert campaign.credit.conversions == int(campaign.credit.conversions)  # the last message has it whole
    assert summary.campaigns[1].responses["clicked"] > 0


@pytest.mark.slow
def test_the_same_seed_tells_the_same_story(tmp_path: Path) -> None:
    first, second = (run_demo(tmp_path / name, customers=400, days=2).campaigns for name in ("first", "second"))
    assert first == second
    assert sum(campaign.responses["opened"] for campaign in first) > 0


def test_one_run_a_due_day(told: tuple[DemoSummary, list[str]]) -> None:
    runs = {campaign.name: campaign.runs for campaign in told[0].campaigns}
    assert runs == {"winback": 1, "newsletter": 1, "birthday": 4}  # Monday to Thursday


def test_as_many_messages_lie_in_the_outbox_as_were_sent(told: tuple[DemoSummary, list[str]]) -> None:
    summary, _ = told
    lines = [json.loads(line) for line in (summary.outbox / "messages.jsonl").read_text().splitlines()]
    assert len({line["id"] for line in lines}) == len(lines) == sum(c.account.sent for c in summary.campaigns)
    assert all((summary.outbox / line["path"]).is_file() for line in lines)


def test_the_variants_share_what_was_sent(told: tuple[DemoSummary, list[str]]) -> None:
    newsletter = told[0].campaigns[1]
    assert set(newsletter.variants) == {"plain", "question"}
    assert sum(variant.sent for variant in newsletter.variants.values()) == newsletter.account.sent
    opened = sum(variant.responses["opened"] for variant in newsletter.variants.values())
    assert opened == newsletter.responses["opened"] > 0


def test_the_example_is_a_real_message_with_its_reasons(told: tuple[DemoSummary, list[str]]) -> None:
    summary, _ = told
    example = summary.example
    assert example is not None
    assert example.file.is_file()
    assert example.explanation.customer_id == example.customer_id
    assert all(rule.held for rule in example.explanation.rules)
    decision = example.explanation.decision
    assert decision is not None
    assert decision.coupon is None or decision.coupon in example.text


def test_the_steps_are_told_as_they_begin(told: tuple[DemoSummary, list[str]]) -> None:
    _, steps = told
    assert steps[0] == "creating a shop with 500 customers"
    assert steps[-5:] == [
        "Monday 07 September",
        "Tuesday 08 September",
        "Wednesday 09 September",
        "Thursday 10 September",
        "computing the results",
    ]


def test_the_folder_is_a_project_with_the_shops_files(told: tuple[DemoSummary, list[str]]) -> None:
    folder = told[0].folder
    assert all((folder / part).exists() for part in PARTS)
    assert {"mapping.yaml", "customers.csv", "products.csv", "events.csv", "events-2026-09-10.csv"} <= {
        path.name for path in (folder / "data").iterdir()
    }
