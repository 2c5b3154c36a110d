"""A customer's view over a small project, as a person reads it and as a program does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from support.project import launched_project

from automation.cli.customers import profile_blocks
from automation.cli.main import main
from automation.cli.output import Table, Text
from automation.clock import ManualClock
from automation.errors import AutomationError
from automation.inbound.identity import find_person
from automation.reporting.customer_view import CustomerProfile, customer_profile
from automation.runner.claim import claim
from automation.runner.run import advance
from automation.schedule.due_times import Due
from automation.store.people import consent
from automation.types.run import RunKind
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.shop_format import ShopFormat
from automation.workspace.workspace import Workspace, open_workspace

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """c00000 bought twice, c00001 never, and c00002 has the first one's address."""
    root = launched_project(tmp_path / "shop", customers=3, launched_at=NOON)
    with open_workspace(root, clock=ManualClock(NOON)) as made:
        warehouse = made.warehouse()
        shared = pl.DataFrame({"customer_id": ["c00002"], "email": ["c00000@toy.example"]})
        warehouse.upsert("customers", shared)
        days = [NOON - timedelta(days=10), NOON - timedelta(days=4)]
        rows = {"event_id": ["1", "2"], "customer_id": "c00000", "type": "purchase", "occurred_at": days}
        warehouse.append_events(pl.DataFrame({**rows, "amount": [20.0, 40.5]}))
        warehouse.close()
        yield made


def profile_of(workspace: Workspace, wanted: str) -> CustomerProfile:
    return customer_profile(workspace, find_person(workspace, wanted))


def shown(found: CustomerProfile) -> str:
    parts = []
    for block in profile_blocks(found, ShopFormat()):
        match block:
            case Text(text):
                parts.append(text)
            case Table(rows=rows):
                parts += [" | ".join(str(cell) for cell in row) for row in rows]
    return "\n".join(parts)


def test_shows_how_a_customer_buys(workspace: Workspace) -> None:
    found = profile_of(workspace, "c00000")
    assert found.profile["recency_days"] == 4.0
    assert (found.profile["frequency"], found.profile["monetary"]) == (2, 60.5)
    text = shown(found)
    assert "C00000 (c00000)" in text
    assert "active; last purchase 4 days ago, RFM " in text
    assert "purchases | on 2 days, since 2026-02-20" in text
    assert "spent | €60.50" in text
    assert "average basket | €30.25" in text
    assert "usually buys | around 13:00 local time, on Thursdays" in text  # Berlin; of equals the earlier weekday
    assert "email | promotions | given | 2026-01-01 | test" in text


def test_a_customer_without_purchases_has_none_shown(workspace: Workspace) -> None:
    found = profile_of(workspace, "c00001")
    assert found.profile == {"customer_id": "c00001", "lifecycle": "never_bought", "outlier": False}
    assert "never bought" in shown(found)
    assert "purchases | none" in shown(found)


def test_finds_by_address_in_any_case_and_names_the_other_ids(workspace: Workspace) -> None:
    found = profile_of(workspace, " C00000@Toy.example")
    assert (found.customer_id, found.same_address_ids) == ("c00000", ["c00002"])
    assert profile_of(workspace, "c00002").same_address_ids == ["c00000"]
    assert "same e-mail address as c00002" in shown(found)


def test_shows_the_decisions_of_all_ids_with_the_address(workspace: Workspace) -> None:
    run = claim(workspace, "hello", Due(RunKind.MANUAL, "by-hand", NOON))
    assert run is not None
    advance(workspace, LaunchedCampaigns(workspace.project), run.id)
    found = profile_of(workspace, "c00000")
    assert sorted(row.customer_id for row in found.decisions) == ["c00000", "c00002"]


def test_shows_a_suppression(workspace: Workspace) -> None:
    with workspace.store.transaction() as connection:
        consent.suppress(
            connection, ["c00000@toy.example"], channel="email", reason="hard_bounce", source="test", now=NOON
        )
    assert "the e-mail address is suppressed: hard_bounce" in shown(profile_of(workspace, "c00000"))


def test_an_unknown_customer_is_an_error_that_says_what_to_do(workspace: Workspace) -> None:
    with pytest.raises(
        AutomationError, match="no customer with the id or address 'eve', and nothing is on record about it; to import"
    ):
        profile_of(workspace, "eve")


def test_a_program_reads_it_as_json(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.project.root)
    assert main(["customers", "show", "c00000", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["customer_id"], found["same_address_ids"], found["profile"]["monetary"]) == (
        "c00000",
        ["c00002"],
        60.5,
    )
    assert main(["customers", "show", "eve"]) == 1
    assert "no customer with the id or address 'eve'" in capsys.readouterr().err
