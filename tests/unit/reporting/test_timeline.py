"""What one person got, did not get and will get, under all of their ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from support.project import launched_project
from support.toy_project import deliver

from automation.cli.main import main
from automation.clock import ManualClock, to_millis
from automation.errors import AutomationError
from automation.inbound.identity import find_person
from automation.reporting.timeline import timeline
from automation.runner.claim import claim
from automation.runner.run import advance
from automation.schedule.due_times import Due
from automation.store.ledger import earlier_sends
from automation.store.people import consent
from automation.types.run import RunKind
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """c00000 and c00002 are one person by address; c00001 is another."""
    root = launched_project(tmp_path / "shop", customers=3, launched_at=NOON)
    with open_workspace(root, clock=ManualClock(NOON)) as made:
        warehouse = made.warehouse()
        warehouse.upsert("customers", pl.DataFrame({"customer_id": ["c00002"], "email": ["c00000@toy.example"]}))
        warehouse.close()
        yield made


def plan(workspace: Workspace, key: str, at: datetime) -> None:
    run = claim(workspace, "hello", Due(RunKind.MANUAL, key, at))
    assert run is not None
    advance(workspace, LaunchedCampaigns(workspace.project), run.id)


def test_everything_is_there_across_ids_and_the_newest_stands_last(workspace: Workspace) -> None:
    earlier = pl.DataFrame(
        [("imported:1", "", "c00000@toy.example", "email", "promotions", "spring", to_millis(NOON - 48 * HOUR))],
        schema=dict(earlier_sends.COLUMNS), orient="row",
    )  # fmt: skip
    with workspace.store.transaction() as connection:
        earlier_sends.add_sends(connection, earlier)
    plan(workspace, "1", NOON)
    deliver(workspace)
    plan(workspace, "2", NOON + 2 * HOUR)
    with workspace.store.transaction() as connection:
        consent.record(
            connection, ["c00002"], channel="email", topic="promotions", granted=False, at=NOON + HOUR,
            source="preference centre", method="form", address="C00000@toy.example",
        )  # fmt: skip
    found = timeline(workspace, find_person(workspace, "c00002"))
    same = "another customer of this run has the same address"
    assert sorted((m.what, m.detail) for m in found) == sorted(
        [
            ("sent", "imported from another tool"),
            ("consent given", "test"),
            ("consent given", "test"),
            ("sent", ""),
            ("refused", same),
            ("refused", same),
            ("consent withdrawn", "form, preference centre"),
            ("suppressed", "withdrawn, preference centre"),
            ("due", ""),
        ]
    )
    assert {m.customer_id for m in found if m.what in ("sent", "refused", "due")} == {"", "c00000", "c00002"}
    assert [m.at for m in found] == sorted(m.at for m in found)
    assert found[-1].what == "due"
    assert found[-1].at == NOON + 2 * HOUR
    deliver(workspace, after=2 * HOUR)
    last = timeline(workspace, find_person(workspace, "c00000"))[-1]
    assert (last.what, last.at) == ("refused", NOON + 2 * HOUR)
    assert last.detail in (
        "consent for this channel and topic was withdrawn",
        "the owner of the address unsubscribed, perhaps under another customer id",
    )


def test_an_address_without_a_customer_may_have_a_timeline(workspace: Workspace) -> None:
    with workspace.store.transaction() as connection:
        consent.suppress(connection, ["@spam.example"], channel="", reason="manual", source="ana", now=NOON)
    found = find_person(workspace, "x@Spam.example")
    assert (found.ids, found.customer) == ((), False)
    assert [(m.what, m.about, m.address) for m in timeline(workspace, found)] == [
        ("suppressed", "every topic", "@spam.example")
    ]


def test_an_unknown_person_is_an_error_that_says_what_to_do(workspace: Workspace) -> None:
    with pytest.raises(AutomationError, match="no customer with the id or address 'eve', and nothing is on record"):
        find_person(workspace, "eve")


def test_the_command_finds_by_any_spelling_of_the_address(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(workspace, "1", NOON)
    monkeypatch.chdir(workspace.project.root)
    assert main(["customers", "show", " C00000@TOY.example", "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["customer_id"] == "c00000"
    assert sorted({moment["what"] for moment in printed["timeline"]}) == ["consent given", "due", "refused"]
    assert main(["customers", "show", "c00002"]) == 0
    assert "another customer of this run has the same address" in capsys.readouterr().out
