"""One run over the toy shop, every figure worked out by hand, and what happens when it is interrupted."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.toy_project import BODY, CAMPAIGN, CONFIG, again, deliver, outbox, start, toy_project

from automation.clock import ManualClock
from automation.delivery.committer import Delivery
from automation.delivery.composer import Composer
from automation.delivery.sent_message import Rerendering
from automation.errors import AutomationError, Stopped
from automation.inbound.flush import flush_events
from automation.reporting.explain import explain
from automation.reporting.run_status import run_status
from automation.runner import launch as launching
from automation.runner import run as runs
from automation.runner import stopping
from automation.runner.campaign_status import campaign_statuses
from automation.runner.plan import plan
from automation.runner.preview import preview
from automation.schedule.due_times import Due
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.store.ledger import decisions
from automation.store.people import consent
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.grant import Grant
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.run import Account, RunKind, RunState
from automation.warehouse.connect import Warehouse
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace

STRIKE = """
import polars as pl

from automation.contracts import Options
from automation.hookspecs import hookimpl


class Strike:
    Options = Options
    codes = {"strike": "the post in Portugal is on strike"}

    def __init__(self, options):
        self.options = options

    def refuse(self, batch, *, at, moment):
        hit = batch.filter((pl.col("country") == "PT") & (pl.lit(moment) == "send"))
        return hit.select("customer_id", pl.lit("strike").alias("code"), pl.lit("").alias("detail"))


@hookimpl
def register_suppressions(register):
    register("strike", Strike)
"""


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


def account(workspace: Workspace, run_id: int) -> Account:
    found = run_status(workspace, run_id).account
    assert found.adds_up
    return found


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


def test_who_gets_what_is_what_a_person_would_work_out(toy: Workspace) -> None:
    """c1, c2, c3, c4, c5 and c7 ever bought; c7 has no address. Tea buyers are c1, c2, c5 and c7."""
    run_id = start(toy)
    assert account(toy, run_id) == Account(audience=6, unreachable=1, queued=5)
    deliver(toy)
    assert account(toy, run_id) == Account(audience=6, unreachable=1, sent=5)
    with toy.store.reading() as connection:
        rows = {row.customer_id: row for row in decisions.find(connection, run_id=run_id)}
    assert {customer: row.offer for customer, row in rows.items() if row.outcome == "message"} == {
        "c1": "pct10", "c2": "pct10", "c3": "pct20", "c4": "pct20", "c5": "pct10",
    }  # fmt: skip
    assert rows["c7"].reason == "no_address"
    assert {row.coupon_state for customer, row in rows.items() if customer in {"c1", "c2", "c5"}} == {"confirmed"}
    assert rows["c3"].coupon is None  # a shared code is not reserved
    shown = {
        customer: {str(item["product_id"]) for item in row.items}
        for customer, row in rows.items()
        if row.outcome == "message"
    }
    # p2 is out of stock and nobody ever bought p6: to c3, who has the rest, only p1 is left to show.
    assert shown["c1"] == {"p3", "p4"}
    assert shown["c3"] == {"p1"}
    assert shown["c4"] == {"p1", "p5"}
    assert shown["c2"] < {"p3", "p4", "p5"}
    assert len(shown["c2"]) == 2
    assert shown["c5"] < {"p3", "p4", "p5"}
    assert run_status(toy, run_id).run.state is RunState.DONE


def test_a_message_says_what_was_decided(toy: Workspace) -> None:
    run_id = start(toy)
    deliver(toy)
    parsed, html = message_to(toy, "ana@example.com")
    with toy.store.reading() as connection:
        (row,) = decisions.find(connection, customer_id="c1")
    assert parsed["Subject"] == "Hello Ana"
    assert f"10 % off {row.coupon} until 2026-04-06" in html
    assert "https://toy.example?utm_campaign=spring" in html
    assert "2026-03-30" in html
    assert parsed["List-Unsubscribe"].startswith("<mailto:hi@toy.example?subject=unsubscribe%20")
    assert html.count("popular with other customers") == len(row.items) == 2
    assert run_id == row.run_id


def test_a_message_can_be_rendered_again_byte_for_byte(toy: Workspace) -> None:
    start(toy)
    seen: dict[str, Rendered] = {}
    compose = Composer.compose

    def watch(composer: Composer, grant: Grant) -> Rendered:
        seen[grant.id] = compose(composer, grant)
        return seen[grant.id]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Composer, "compose", watch)
        deliver(toy)
    assert isinstance(toy.clock, ManualClock)
    toy.clock.advance(timedelta(days=30))
    later = Rerendering(toy)
    assert len(seen) == 5
    for identity, rendered in seen.items():
        assert later.message(identity) == rendered


def test_a_plan_foretells_the_run_and_writes_nothing(toy: Workspace) -> None:
    planned = plan(toy, "toy")
    assert (planned.audience, planned.entering, planned.leaving) == (6, None, None)
    assert planned.outcomes == {("message", "selected"): 5, ("unreachable", "no_address"): 1}
    assert planned.offers == {"pct10": 3, "pct20": 2}
    assert planned.promised_cost == 3 * 2 + 2 * 4
    assert len(planned.samples) == 5
    assert all(sample.rendered is not None for sample in planned.samples)
    with toy.store.reading() as connection:
        assert decisions.find(connection) == []
    start(toy)
    after = plan(toy, "toy")
    assert (after.entering, after.leaving) == (0, 0)


def test_a_preview_needs_no_audience(toy: Workspace) -> None:
    sample = preview(toy, "toy", "c6")  # Finn never bought
    assert sample.rendered is not None
    assert "Hello Finn" in sample.rendered.html
    with pytest.raises(AutomationError, match="there is no customer with the id or address 'c99', and nothing"):
        preview(toy, "toy", "c99")


def test_what_was_launched_runs_whatever_is_saved_afterwards(toy: Workspace) -> None:
    launching.launch(toy, "toy", by="ana", audience=6)
    (campaign,) = campaign_statuses(toy)
    assert campaign.state == "launched"
    template = toy.project.root / "templates/toy/email.html"
    template.write_text("<p>A draft that nobody approved</p>")
    (campaign,) = campaign_statuses(toy)
    assert campaign.state == "changed since launch"
    again(toy, key="1")
    deliver(toy)
    assert "Hello Ana" in message_to(toy, "ana@example.com")[1]
    assert "draft" not in message_to(toy, "ben@example.com")[1]
    template.write_text(BODY)
    assert campaign_statuses(toy)[0].state == "launched"


def test_nothing_runs_before_a_launch_or_during_a_stop(toy: Workspace) -> None:
    due = Due(RunKind.MANUAL, "1", TOY_AS_OF)
    assert campaign_statuses(toy)[0].state == "draft"
    with pytest.raises(AutomationError, match="campaign 'toy' is not launched; run: automation launch toy"):
        runs.claim(toy, "toy", due)
    start(toy)
    stopping.stop(toy, None, by="ana")
    with pytest.raises(Stopped, match="everything was stopped by ana"):
        runs.claim(toy, "toy", replace(due, key="2"))
    assert deliver(toy).sent == 0
    assert stopping.resume(toy, None)
    stopping.stop(toy, "toy", by="ben")
    assert campaign_statuses(toy)[0].state == "stopped"
    assert deliver(toy).sent == 0
    stopping.resume(toy, "toy")
    assert deliver(toy).sent == 5
    with pytest.raises(AutomationError, match="there is no campaign 'tea'; the project has: toy"):
        stopping.stop(toy, "tea", by="ana")


def test_a_large_audience_needs_a_second_person(tmp_path: Path) -> None:
    with toy_project(tmp_path, campaign=CAMPAIGN + "limits: {approve_above: 5}\n") as toy:
        with pytest.raises(AutomationError, match="its audience is 6, above approve_above: 5; a second person runs"):
            launching.launch(toy, "toy", by="ana", audience=6)
        launching.launch(toy, "toy", by="ana", audience=6, approved_by="ben")
        assert campaign_statuses(toy)[0].state == "launched"


def test_a_due_time_runs_once(toy: Workspace) -> None:
    start(toy)
    assert runs.claim(toy, "toy", Due(RunKind.MANUAL, "1", TOY_AS_OF)) is None


def test_planning_goes_on_where_it_stopped(toy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two; the planner stops after the first."""
    monkeypatch.setattr("automation.pipeline.audience.freeze.__kwdefaults__", {"batch_size": 2})
    launching.launch(toy, "toy", by="test", audience=None)
    row = runs.claim(toy, "toy", Due(RunKind.MANUAL, "1", TOY_AS_OF))
    assert row is not None

    calls = iter([False, True])
    assert not runs.advance(toy, LaunchedCampaigns(toy.project), row.id, halted=lambda: next(calls))
    half = account(toy, row.id)
    assert (half.audience, half.unplanned) == (6, 4)
    assert runs.advance(toy, LaunchedCampaigns(toy.project), row.id)
    whole = account(toy, row.id)
    assert whole == Account(audience=6, unreachable=1, queued=5)
    deliver(toy)
    assert len({line["to"] for line in outbox(toy)}) == len(list(outbox(toy))) == 5


def test_an_unsubscribe_during_the_run_is_respected(toy: Workspace) -> None:
    run_id = start(toy)
    with toy.store.transaction() as connection:
        consent.record(
            connection, ["c1"], channel="email", topic="promotions", granted=False,
            at=TOY_AS_OF + timedelta(seconds=1), source="unsubscribe",
        )  # fmt: skip
    deliver(toy)
    assert account(toy, run_id) == Account(audience=6, unreachable=1, suppressed=1, sent=4)


def test_a_suppression_plugin_is_asked_again_when_a_message_leaves(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "strike.py").write_text(STRIKE)
    with toy_project(tmp_path, config=CONFIG + "suppressions: [{using: strike}]\n") as toy:
        run_id = start(toy)
        assert account(toy, run_id).suppressed == 0
        deliver(toy)
        assert account(toy, run_id) == Account(audience=6, unreachable=1, suppressed=1, sent=4)
        found = explain(toy, "toy", "c1")
        assert found.decision is not None
        assert found.decision.state_reason == "strike"


def test_re_entry_is_kept_from_run_to_run(tmp_path: Path) -> None:
    with toy_project(tmp_path, campaign=CAMPAIGN + "reentry: after 7d\n") as toy:
        start(toy)
        deliver(toy, after=timedelta(days=6, hours=23))
        second = again(toy, key="2")
        assert account(toy, second) == Account(audience=6, unreachable=1, suppressed=5)
        deliver(toy, after=timedelta(hours=2))
        third = again(toy, key="3")
        assert account(toy, third).suppressed == 0


def test_what_cannot_be_rendered_fails_alone_and_says_why(tmp_path: Path) -> None:
    body = "<p>{{ customer.first_name }} {% if customer.first_name == 'Ana' %}{{ customer.shoe_size }}{% endif %}</p>"
    with toy_project(tmp_path, body=body) as toy:
        run_id = start(toy)
        deliver(toy)
        assert account(toy, run_id) == Account(audience=6, unreachable=1, failed=1, sent=4)
        with toy.store.reading() as connection:
            (row,) = decisions.find(connection, customer_id="c1")
        assert row.state_reason is not None
        assert row.state_reason.startswith("can't be rendered: templates/toy/email.html:1:")
        assert "shoe_size" in row.state_reason
        assert row.coupon_state == "released"


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("raises", Account(audience=6, unreachable=1, ambiguous=5)),
        ("raises at once", Account(audience=6, unreachable=1, queued=5)),
        ("forgets", Account(audience=6, unreachable=1, ambiguous=4, sent=1)),
        ("lies", Account(audience=6, unreachable=1, ambiguous=5)),
    ],
)
def test_a_channel_that_misbehaves_leaves_nothing_unaccounted(
    toy: Workspace, monkeypatch: pytest.MonkeyPatch, behaviour: str, expected: Account
) -> None:
    class Odd:
        kind = "email"

        async def deliver(self, messages: Any, hand_over: Any) -> Any:
            if behaviour == "raises at once":
                raise RuntimeError("the provider's library broke")
            for message in messages:
                hand_over(message)
            if behaviour == "forgets":
                yield Receipt(messages[0].id, 1, Verdict.SENT)
            if behaviour == "lies":
                yield Receipt("0" * 32, 1, Verdict.SENT)
                yield Receipt(messages[0].id, 9, Verdict.SENT)
            if behaviour == "raises":
                raise RuntimeError("the provider's library broke")

        async def close(self) -> None: ...

    monkeypatch.setattr("automation.delivery.committer.channel_of", lambda project, name, provider: Odd())
    run_id = start(toy)
    deliver(toy)
    assert account(toy, run_id) == expected


def test_a_channel_that_cannot_be_made_loses_nothing(toy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("no route to host")

    run_id = start(toy)
    with monkeypatch.context() as patched:
        patched.setattr("automation.delivery.committer.channel_of", broken)
        assert deliver(toy).sent == 0
    assert account(toy, run_id) == Account(audience=6, unreachable=1, queued=5)
    assert deliver(toy, after=timedelta(minutes=5)).sent == 5


def test_what_a_dying_delivery_already_heard_is_kept(toy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two receipts come, then the channel hangs and the process is told to end: three may have arrived."""
    heard = asyncio.Event()

    class Hanging:
        kind = "email"

        async def deliver(self, messages: Any, hand_over: Any) -> Any:
            for message in messages:
                hand_over(message)
            for message in messages[:2]:
                yield Receipt(message.id, 1, Verdict.SENT)
            heard.set()
            await asyncio.sleep(60)

        async def close(self) -> None: ...

    monkeypatch.setattr("automation.delivery.committer.channel_of", lambda project, name, provider: Hanging())
    run_id = start(toy)

    async def live_and_die() -> None:
        life = asyncio.create_task(Delivery(toy, LaunchedCampaigns(toy.project)).deliver_due())
        await heard.wait()
        await asyncio.sleep(0.6)  # the receipts are committed without waiting for the group
        assert account(toy, run_id) == Account(audience=6, unreachable=1, sent=2, sending=3)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await life

    asyncio.run(live_and_die())
    assert account(toy, run_id) == Account(audience=6, unreachable=1, sent=2, ambiguous=3)


@pytest.mark.parametrize(
    ("error", "state"), [(OSError("disk is slow"), RunState.CREATED), (AutomationError("no model"), RunState.FAILED)]
)
def test_a_failure_that_may_pass_does_not_end_the_run(
    toy: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception, state: RunState
) -> None:
    launching.launch(toy, "toy", by="test", audience=None)
    row = runs.claim(toy, "toy", Due(RunKind.MANUAL, "1", TOY_AS_OF))
    assert row is not None

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(runs, "freeze", fail)
        with pytest.raises(type(error)):
            runs.advance(toy, LaunchedCampaigns(toy.project), row.id)
    status = run_status(toy, row.id).run
    assert (status.state, status.error) == (state, str(error))


def test_events_reach_the_warehouse_once_whatever_crashes(toy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [InboxEvent(f"new{n}", "c1", "email_open", TOY_AS_OF, "m") for n in range(3)]
    with toy.store.transaction() as connection:
        assert inbox.add_events(connection, [*events, events[0]], now=TOY_AS_OF) == 3

    def count(warehouse: Warehouse) -> int:
        table = warehouse.table("events")
        return int(table.filter(table.type == "email_open").filter(table.message_id == "m").count().to_polars())

    warehouse = toy.warehouse()
    with monkeypatch.context() as patched:
        patched.setattr(inbox, "finish_flush", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("power cut")))
        with pytest.raises(RuntimeError, match="power cut"):
            flush_events(toy, warehouse)
    assert count(warehouse) == 3
    assert flush_events(toy, warehouse) == 0
    assert count(warehouse) == 3
    with toy.store.transaction() as connection:
        assert inbox.add_events(connection, events, now=TOY_AS_OF) == 0
    warehouse.close()


def test_the_reason_for_not_being_asked_is_explained(toy: Workspace) -> None:
    start(toy)
    outside = explain(toy, "toy", "c6")
    assert (outside.member, outside.decision, outside.reason) == (False, None, "not in the audience now")
    assert [(rule.path, rule.text, rule.held) for rule in outside.rules] == [("audience", "did: purchase", False)]
    inside = explain(toy, "toy", "c1")
    assert inside.decision is not None
    assert inside.reason == "chosen by the campaign"
    assert [(rule.text, rule.held) for rule in inside.offer_rules] == [("segment: tea", True)]


def test_a_holdout_is_decided_like_everyone_but_never_contacted(tmp_path: Path) -> None:
    campaign = CAMPAIGN + "experiment: {holdout: 99.9%, goal: {did: purchase, within: 14d}}\n"
    with toy_project(tmp_path, campaign=campaign) as toy:
        run_id = start(toy)
        assert deliver(toy).sent == 0
        assert account(toy, run_id) == Account(audience=6, unreachable=1, holdout=5)
        with toy.store.reading() as connection:
            rows = decisions.find(connection, run_id=run_id)
        held = [row for row in rows if row.outcome == "holdout"]
        assert all(row.offer and row.items and row.coupon is None and row.message_id is None for row in held)
        frame = pl.DataFrame({"propensity": [row.propensities["arm"] for row in held]}, strict=False)
        assert frame["propensity"].to_list() == [{"holdout": 0.999, "contacted": 0.001}] * 5


def test_a_project_file_that_no_longer_fits_stops_its_own_campaign_only(toy: Workspace) -> None:
    launching.launch(toy, "toy", by="test", audience=None)
    (toy.project.root / "config.yaml").write_text(CONFIG.replace("pct20:", "pct25:"))
    from automation.workspace.workspace import open_workspace

    with open_workspace(toy.project.root, clock=toy.clock) as reopened:
        row = runs.claim(reopened, "toy", Due(RunKind.MANUAL, "1", TOY_AS_OF))
        assert row is not None
        with pytest.raises(AutomationError, match="campaign 'toy' as launched no longer fits"):
            runs.advance(reopened, LaunchedCampaigns(reopened.project), row.id)
