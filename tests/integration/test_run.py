"""One run over the toy shop, every figure worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from support.scripted_channel import scripted, sent
from support.toy_project import CAMPAIGN, account_of, again, deliver, message_to, start, toy_project

from automation.clock import ManualClock
from automation.delivery.sent_message import Rerendering
from automation.errors import AutomationError
from automation.reporting.explain import explain
from automation.reporting.run_status import run_status
from automation.runner.plan import plan
from automation.runner.preview import preview
from automation.store.ledger import decisions
from automation.types.message import Receipt, Rendered
from automation.types.run import Account, RunState
from automation.workspace.workspace import Workspace


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


def test_every_customer_gets_the_offer_and_items_worked_out_by_hand(toy: Workspace) -> None:
    """c1, c2, c3, c4, c5 and c7 ever bought; c7 has no address. Tea buyers are c1, c2, c5 and c7."""
    run_id = start(toy)
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, queued=5)
    deliver(toy)
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=5)
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


def test_a_message_shows_what_was_decided(toy: Workspace) -> None:
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

    def note(message: Rendered, _provider: int) -> Receipt:
        seen[message.id] = message
        return sent(message)

    deliver(toy, make=scripted(note))
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
    sample = preview(toy, "toy", "c6").sample  # Finn never bought
    assert sample.rendered is not None
    assert "Hello Finn" in sample.rendered.html
    with pytest.raises(AutomationError, match="there is no customer with the id or address 'c99', and nothing"):
        preview(toy, "toy", "c99")


def test_re_entry_is_kept_from_run_to_run(tmp_path: Path) -> None:
    with toy_project(tmp_path, campaign=CAMPAIGN + "reentry: after 7d\n") as toy:
        start(toy)
        deliver(toy, after=timedelta(days=6, hours=23))
        second = again(toy, key="2")
        assert account_of(toy, second) == Account(audience=6, unreachable=1, suppressed=5)
        deliver(toy, after=timedelta(hours=2))
        third = again(toy, key="3")
        assert account_of(toy, third).suppressed == 0


def test_what_cannot_be_rendered_fails_alone_and_says_why(tmp_path: Path) -> None:
    body = "<p>{{ customer.first_name }} {% if customer.first_name == 'Ana' %}{{ customer.shoe_size }}{% endif %}</p>"
    with toy_project(tmp_path, body=body) as toy:
        run_id = start(toy)
        deliver(toy)
        assert account_of(toy, run_id) == Account(audience=6, unreachable=1, failed=1, sent=4)
        with toy.store.reading() as connection:
            (row,) = decisions.find(connection, customer_id="c1")
        assert row.state_reason is not None
        assert row.state_reason.startswith("can't be rendered: templates/toy/email.html:1:")
        assert "shoe_size" in row.state_reason
        assert row.coupon_state == "released"


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
        assert account_of(toy, run_id) == Account(audience=6, unreachable=1, holdout=5)
        with toy.store.reading() as connection:
            rows = decisions.find(connection, run_id=run_id)
        held = [row for row in rows if row.outcome == "holdout"]
        assert all(row.offer and row.items and row.coupon is None and row.message_id is None for row in held)
        frame = pl.DataFrame({"propensity": [row.propensities["arm"] for row in held]}, strict=False)
        assert frame["propensity"].to_list() == [{"holdout": 0.999, "contacted": 0.001}] * 5
