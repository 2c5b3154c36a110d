"""`plan --as-of`: another day's audience and refusals over the toy shop, by hand, and nothing is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.toy_project import deliver, start, toy_project

from automation.cli.main import main
from automation.cli.output import Text
from automation.cli.plan_blocks import plan_blocks
from automation.clock import ManualClock
from automation.errors import ConfigurationError
from automation.reporting.json_output.plans import plan_json
from automation.runner.plan import Plan, plan
from automation.runner.planning_time import read_planning_time
from automation.store.people import consent, suppressions
from automation.testing.toy_shop import TOY_AS_OF
from automation.workspace.workspace import Workspace, open_project, open_workspace

CAMPAIGN = """
name: toy
topic: promotions
schedule: {every: Thursday 09:00}
reentry: after 30d
audience: {all: [{did: purchase}, {did_not: purchase, in_the_last: 30d}]}
recommend: {using: popular, items: 1, exclude: [purchased]}
send: {channels: [email], template: toy}
limits: {cap: 1 per 7d}
"""
BODY = "<p>Hello</p><a href='{{ links.unsubscribe }}'>unsubscribe</a>"


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path, campaign=CAMPAIGN, body=BODY) as toy:
        yield toy


def planned(toy: Workspace, written: str) -> Plan:
    return plan(toy, "toy", samples=0, preflight="off", planned_for=read_planning_time(toy, "toy", written))


def written_files(root: Path) -> dict[str, str]:
    """Every file of the project but the store's log, which reading may move, by its content."""
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(root.rglob("*"))
        if file.is_file() and file.suffix != ".db-shm"
    }


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-04-02T14:30", datetime(2026, 4, 2, 12, 30, tzinfo=UTC)),
        ("2026-12-24 09:00", datetime(2026, 12, 24, 8, 0, tzinfo=UTC)),  # winter time
        ("2026-04-02", datetime(2026, 4, 2, 7, 0, tzinfo=UTC)),  # a Thursday: when it is due
        ("2026-04-03", datetime(2026, 4, 2, 22, 0, tzinfo=UTC)),  # it is not due: the day's beginning
        ("2026-10-25T02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # the first of the two
    ],
)
def test_a_day_or_time_is_the_shops(toy: Workspace, written: str, instant: datetime) -> None:
    assert read_planning_time(toy, "toy", written).at == instant


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("tomorrow", "is not a day or time; write 2026-12-24 or 2026-12-24T09:00"),
        ("24.12.2026", "is not a day or time"),
        ("2026-12-24T09:00Z", "is not a day or time"),
        ("2026-02-30", "there is no '2026-02-30': day is out of range for month"),
        ("2026-12-24T25:00", "there is no '2026-12-24T25:00': hour must be in 0..23"),
        ("2026-03-29T02:30", "in Europe/Berlin: the clocks skip it"),
        ("0001-01-01", "is not between the years 1970 and 2199"),
    ],
)
def test_what_is_no_time_is_an_error(toy: Workspace, written: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_planning_time(toy, "toy", written)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("written", "audience"),
    [
        ("2026-02-15T12:00", 3),  # c1 (November), c5 (2024), c7 (December); c4 had not bought yet
        ("2026-03-30T11:00", 2),  # now: c5, c7
        ("2026-04-10T12:00", 4),  # and c2 (1 March), c3 (10 March)
        ("2026-06-01", 6),
    ],
)
def test_rules_look_from_that_day_at_the_data_before_it(toy: Workspace, written: str, audience: int) -> None:
    found = planned(toy, written)
    assert found.audience == audience
    assert found.as_of == read_planning_time(toy, "toy", written).at
    assert (found.entering, found.warnings) == (None, ())


def test_consents_and_suppressions_are_those_of_that_day(toy: Workspace) -> None:
    """c1 agreed in January, withdrew in February and agreed again; c5's address is on the list since March."""

    def says(customer: str, day: datetime, *, granted: bool, address: str) -> None:
        with toy.store.transaction() as connection:
            consent.record(
                connection, [customer], channel="email", topic="promotions", granted=granted, at=day, source="test",
                address=address,
            )  # fmt: skip

    for day, granted in (((2026, 1, 1), True), ((2026, 2, 10), False), ((2026, 3, 1), True)):
        says("c1", datetime(*day, tzinfo=UTC), granted=granted, address="ana@example.com")
    says("c5", datetime(2026, 1, 1, tzinfo=UTC), granted=True, address="eve@example.com")
    with toy.store.transaction() as connection:
        suppressions.suppress(
            connection,
            ["eve@example.com"],
            channel="email",
            reason="manual",
            source="test",
            now=datetime(2026, 3, 1, tzinfo=UTC),
        )
    before, withdrawn, later = (planned(toy, day).outcomes for day in ("2026-02-05", "2026-02-15", "2026-06-01"))
    assert dict(before) == {("message", "selected"): 2, ("suppressed", "no_consent"): 1}  # c1 and c5; c7 never agreed
    assert dict(withdrawn) == {
        ("suppressed", "consent_withdrawn"): 1, ("message", "selected"): 1, ("suppressed", "no_consent"): 1,
    }  # fmt: skip
    assert dict(later) == {
        ("message", "selected"): 4, ("suppressed", "suppressed_address"): 1, ("unreachable", "no_address"): 1,
    }  # fmt: skip


def test_a_withdrawal_under_another_id_of_the_address_counts_then(toy: Workspace) -> None:
    """It was lifted since, so that the list itself does not show it any more."""
    with toy.store.transaction() as connection:
        for day, customer, granted in ((1, "c5", True), (10, "eve-2", False), (20, "eve-2", True)):
            consent.record(
                connection, [customer], channel="email", topic="promotions", granted=granted, source="test",
                at=datetime(2026, 2, day, tzinfo=UTC), address="eve@example.com",
            )  # fmt: skip
    assert planned(toy, "2026-02-15").outcomes["suppressed", "unsubscribed"] == 1
    assert planned(toy, "2026-02-25").outcomes["message", "selected"] == 1


def test_caps_and_earlier_messages_are_those_of_that_day(tmp_path: Path) -> None:
    """c5 got its message on 30 March. The cap is one a week; `quiet` wants nobody who was contacted for ten days."""
    quiet = CAMPAIGN.replace("name: toy", "name: quiet").replace(
        "{did_not: purchase, in_the_last: 30d}", "{did_not: purchase, in_the_last: 30d}, {not_contacted: 10d}"
    )
    always = CAMPAIGN.replace("reentry: after 30d", "reentry: always")
    with toy_project(tmp_path, campaign=always, body=BODY) as toy:
        start(toy)
        deliver(toy)
        (tmp_path / "campaigns/quiet.yaml").write_text(quiet)
    with open_workspace(tmp_path, clock=ManualClock(TOY_AS_OF + timedelta(hours=1))) as toy:
        found = {day: planned(toy, day) for day in ("2026-03-29T12:00", "2026-04-02T12:00", "2026-04-07T12:00")}
        contacted = {
            day: plan(
                toy, "quiet", samples=0, preflight="off", planned_for=read_planning_time(toy, "quiet", day)
            ).audience
            for day in ("2026-03-29T12:00", "2026-04-02T12:00")
        }
        (tmp_path / "campaigns/toy.yaml").write_text(CAMPAIGN)
        again = replace(toy, project=open_project(tmp_path))
        entered = {reason: n for (_, reason), n in planned(again, "2026-04-07T12:00").outcomes.items()}
    reasons = {day: {reason: n for (_, reason), n in one.outcomes.items()} for day, one in found.items()}
    # On 29 March nobody had agreed yet; on 2 April c2's 1 March is 31 days ago; on 7 April the week is over.
    assert reasons == {
        "2026-03-29T12:00": {"no_consent": 2},
        "2026-04-02T12:00": {"frequency_cap": 1, "selected": 1, "no_address": 1},
        "2026-04-07T12:00": {"selected": 2, "no_address": 1},
    }
    assert entered == {"reentry": 1, "selected": 1, "no_address": 1}
    assert contacted == {"2026-03-29T12:00": 2, "2026-04-02T12:00": 2}


@pytest.mark.slow
def test_nothing_is_written_where_a_plan_of_now_keeps_what_it_measured(tmp_path: Path) -> None:
    rules = "{all: [{did: purchase}, {not_contacted: 7d}, {profile: recency_days, at_least: 1}]}"
    campaign = CAMPAIGN.replace("{all: [{did: purchase}, {did_not: purchase, in_the_last: 30d}]}", rules)
    with toy_project(tmp_path, campaign=campaign, body=BODY) as toy:
        before = written_files(tmp_path)
        assert plan_of(toy, "2026-12-24T09:00", samples=1).audience == 6
        assert written_files(tmp_path) == before
        plan_of(toy, None)
        assert written_files(tmp_path) != before


def test_it_says_what_it_is_made_from_and_writes_nothing(toy: Workspace) -> None:
    before = written_files(toy.project.root)
    future, past = plan_of(toy, "2026-12-24T09:00", samples=1), plan_of(toy, "2026-02-15")
    texts = [[block.text for block in plan_blocks(toy, one) if isinstance(block, Text)] for one in (future, past)]
    assert written_files(toy.project.root) == before
    assert texts[0][0].startswith("as it would be on 2026-12-24 09:00 CET, by what is known now: ")
    assert texts[1][0].startswith("as it was on 2026-02-15 00:00 CET: from the events, messages, consents")
    for told in texts:
        assert "prices and stock" in told[0]
        assert not any("automation launch" in text or "the last run" in text for text in told)
    assert plan_json(future)["basis"] == texts[0][0]


def plan_of(toy: Workspace, day: str | None, *, samples: int = 0) -> Plan:
    wanted = None if day is None else read_planning_time(toy, "toy", day)
    return plan(toy, "toy", samples=samples, preflight="off", planned_for=wanted)


def test_such_a_plan_cannot_be_launched(
    toy: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(toy.project.root)
    assert main(["launch", "toy", "--as-of", "2026-12-24"]) == 2
    assert "No such option: --as-of" in capsys.readouterr().err
    assert main(["plan", "toy", "--as-of", "2026-02-30"]) == 2
    assert "there is no '2026-02-30'" in capsys.readouterr().err
