"""People in a journey, from the event that begins it to its end, with the real ledger, renderer and channel."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.scripted_channel import scripted
from support.toy_project import account_of, deliver, outbox, toy_project

from automation.cli.explain_blocks import explain_blocks
from automation.cli.output import Table, Text
from automation.clock import ManualClock
from automation.reporting.explain import explain
from automation.runner.launch import launch
from automation.runner.round import Round, advance_journeys
from automation.store import entries, pauses, runs
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.store.people import consent
from automation.store.statements import read_value
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.run import RunState
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_project

JOURNEY = """
name: toy
topic: promotions
starts_when: {did: add_to_cart, quiet_for: 2h}
per: cart
reentry: after 7d
stop_when: {any: [{did: purchase}, {did: empty_cart}]}
steps:
  - send: {name: first, channels: [email], template: toy}
  - wait: 24h
  - send: {name: second, channels: [email], template: toy}
"""


class Journey:
    """A launched journey and its clock."""

    def __init__(self, root: Path, campaign: str) -> None:
        self.workspace: Workspace = toy_project(root, campaign=campaign)
        self.run = self.launch()
        self.seen = 0

    def launch(self) -> int:
        """Launch the campaign; returns its standing run."""
        number = launch(self.workspace, "toy", by="test", audience=None)
        with self.workspace.store.transaction() as connection:
            now = self.workspace.clock.now()
            return runs.open_standing(connection, campaign="toy", launch_id=number, now=now, test=False)

    def happens(self, customer: str, type_: str, *, message_id: str | None = None, **fields: Any) -> None:
        self.seen += 1
        now = self.workspace.clock.now()
        event = InboxEvent(f"e{self.seen}", customer, type_, now, message_id, fields)
        with self.workspace.store.transaction() as connection:
            inbox.add_events(connection, [event], now=now)

    def after(self, **length: float) -> Round:
        """Let time pass, do what is due, send, and see that it was sent."""
        assert isinstance(self.workspace.clock, ManualClock)
        self.workspace.clock.advance(timedelta(**length))
        done = self._advance()
        deliver(self.workspace)
        self._advance()
        return done

    def _advance(self) -> Round:
        return advance_journeys(self.workspace, LaunchedCampaigns(self.workspace.project))

    def got(self) -> list[str]:
        return [line["to"] for line in outbox(self.workspace)]

    def clicks(self, customer: str) -> None:
        """A person follows a link of the last message to this customer."""
        newest = "SELECT id FROM message WHERE customer_id = ? ORDER BY decision_id DESC"
        with self.workspace.store.reading() as connection:
            message = str(read_value(connection, newest, customer))
        self.happens(customer, "email_click", message_id=message)

    def path(self, customer: str) -> list[tuple[str, str | None]]:
        with self.workspace.store.reading() as connection:
            found = entries.of_customer(connection, customer, "toy")
        return [(one.path, one.ended) for one in reversed(found)]


@pytest.fixture
def cart(tmp_path: Path) -> Journey:
    return Journey(tmp_path, JOURNEY)


def test_a_cart_that_is_left_is_reminded_twice(cart: Journey) -> None:
    cart.happens("c1", "add_to_cart", cart_id="k1")
    cart.after(hours=1)
    assert cart.got() == []
    cart.after(hours=1)
    assert len(cart.got()) == 1
    cart.after(hours=23, minutes=59)
    assert len(cart.got()) == 1
    cart.after(minutes=2)
    assert len(cart.got()) == 2
    assert cart.path("c1") == [("first+0:message second+1441:message", "done")]
    account = account_of(cart.workspace, cart.run)
    assert (account.audience, account.sent) == (2, 2)


def test_a_purchase_ends_it_wherever_it_stands_and_takes_its_message_back(cart: Journey) -> None:
    for customer in ("c1", "c2", "c3"):
        cart.happens(customer, "add_to_cart")
    cart.happens("c1", "purchase")
    cart.after(hours=2)
    assert len(cart.got()) == 2
    cart.after(hours=1)
    cart.happens("c2", "purchase")
    cart.after(hours=23)
    assert len(cart.got()) == 3
    assert [one[1] for customer in ("c1", "c2", "c3") for one in cart.path(customer)] == [
        "stop_when",
        "stop_when",
        "done",
    ]


def test_a_message_that_waits_is_cancelled_when_its_journey_ends(cart: Journey) -> None:
    cart.happens("c1", "add_to_cart")
    assert isinstance(cart.workspace.clock, ManualClock)
    cart.workspace.clock.advance(timedelta(hours=2))
    advance_journeys(cart.workspace, LaunchedCampaigns(cart.workspace.project))
    cart.happens("c1", "purchase")
    cart.after(seconds=1)
    assert cart.got() == []
    assert account_of(cart.workspace, cart.run).cancelled == 1


def test_nothing_leaves_before_the_journey_has_heard_what_came_in(cart: Journey) -> None:
    for customer in ("c1", "c2"):
        cart.happens(customer, "add_to_cart")
    assert isinstance(cart.workspace.clock, ManualClock)
    cart.workspace.clock.advance(timedelta(hours=2))
    advance_journeys(cart.workspace, LaunchedCampaigns(cart.workspace.project))
    cart.happens("c1", "purchase")
    deliver(cart.workspace)
    assert cart.got() == ["ben@example.com"]
    cart.after(seconds=1)
    assert cart.got() == ["ben@example.com"]
    assert [ended for _, ended in cart.path("c1")] == ["stop_when"]


def test_a_granted_message_that_is_taken_back_is_not_granted_again(cart: Journey) -> None:
    """Ana buys while her message is with a worker: the channel gives it back, and it never leaves."""
    cart.happens("c1", "add_to_cart")
    assert isinstance(cart.workspace.clock, ManualClock)
    cart.workspace.clock.advance(timedelta(hours=2))
    pinned = LaunchedCampaigns(cart.workspace.project)
    advance_journeys(cart.workspace, pinned)
    tried: list[str] = []

    def answer(message: Rendered, _provider: int) -> Receipt:
        tried.append(message.id)
        if len(tried) == 1:
            cart.happens("c1", "purchase")
            advance_journeys(cart.workspace, pinned)
        return Receipt(message.id, message.attempt, Verdict.WITHDRAWN if len(tried) == 1 else Verdict.SENT)

    deliver(cart.workspace, make=scripted(answer, hands_over=False))
    deliver(cart.workspace, make=scripted(answer, hands_over=False))
    assert len(tried) == 1
    assert account_of(cart.workspace, cart.run).cancelled == 1
    assert [ended for _, ended in cart.path("c1")] == ["stop_when"]


def test_nobody_enters_again_too_soon_or_with_the_same_cart(cart: Journey) -> None:
    cart.happens("c1", "add_to_cart", cart_id="k1")
    cart.after(hours=2)
    cart.after(hours=24)
    cart.happens("c1", "add_to_cart", cart_id="k2")
    cart.after(hours=2)
    cart.after(days=7)
    cart.happens("c1", "add_to_cart", cart_id="k1")
    cart.after(hours=2)
    cart.happens("c1", "add_to_cart", cart_id="k3")
    cart.after(hours=2)
    assert [ended for _, ended in cart.path("c1")] == ["done", "reentry", "reentry", None]
    assert len(cart.got()) == 3


def test_after_two_days_down_a_late_message_is_refused_and_nobody_begins_late(cart: Journey) -> None:
    cart.happens("c1", "add_to_cart")
    cart.after(hours=2)
    cart.happens("c2", "add_to_cart")
    cart.after(days=3)
    assert len(cart.got()) == 1
    assert cart.path("c1") == [("first+0:message second+4320:late", "done")]
    assert cart.path("c2") == [("", "too_late")]
    account = account_of(cart.workspace, cart.run)
    assert (account.audience, account.sent, account.suppressed) == (2, 1, 1)


def test_people_inside_finish_the_version_that_they_entered(cart: Journey) -> None:
    cart.happens("c1", "add_to_cart")
    cart.after(hours=2)
    file = cart.workspace.project.root / "campaigns/toy.yaml"
    file.write_text(JOURNEY.replace("wait: 24h", "wait: 1h"))
    cart.workspace = replace(cart.workspace, project=open_project(cart.workspace.project.root))
    new = cart.launch()
    assert new != cart.run
    cart.happens("c2", "add_to_cart")
    cart.after(hours=2)
    cart.after(hours=1)
    assert cart.path("c1") == [("first+0:message", None)]
    assert cart.path("c2") == [("first+0:message second+60:message", "done")]
    cart.after(hours=21)
    assert cart.path("c1") == [("first+0:message second+1440:message", "done")]
    with cart.workspace.store.reading() as connection:
        assert runs.get(connection, cart.run).state is RunState.DONE
        assert runs.get(connection, new).state is RunState.LIVE


def test_while_it_is_stopped_nobody_moves_but_what_ends_it_is_heard(cart: Journey) -> None:
    for customer in ("c1", "c2"):
        cart.happens(customer, "add_to_cart")
    cart.after(hours=1)
    with cart.workspace.store.transaction() as connection:
        pauses.stop(connection, "toy", by="ana", now=cart.workspace.clock.now())
    cart.happens("c3", "add_to_cart")
    cart.after(hours=3)
    cart.happens("c1", "purchase")
    cart.after(seconds=1)
    assert cart.got() == []
    with cart.workspace.store.transaction() as connection:
        pauses.resume(connection, ["toy"])
    cart.after(seconds=1)
    assert [cart.path(one) for one in ("c1", "c2", "c3")] == [
        [("start+120:stop_when:ev4", "stop_when")],
        [("first+120:message", None)],
        [],
    ]


WELCOME = """
name: toy
topic: promotions
starts_when: {consent_given: promotions}
audience: {not: {trait: country, is: IN}}
experiment: {holdout: %s}
steps:
  - send: {name: hello, channels: [email], template: toy}
  - wait_for: {did: click, up_to: 4d}
    then:
      - branch:
          - if: {trait: city, is: Lisboa}
            steps: [send: {name: lisboa, channels: [email], template: toy}]
          - otherwise: [stop]
    otherwise: [send: {name: nudge, channels: [email], template: toy}]
  - wait: {until: Tuesday 09:00}
  - send: {name: last, channels: [email], template: toy}
"""


def welcome(root: Path, *, holdout: str = "0%") -> Journey:
    """Four agree to promotions on Monday, 30 March 2026, at 9:00 UTC; another one to something else."""
    journey = Journey(root, WELCOME % holdout)
    for customer in ("c1", "c2", "c3", "c4"):
        journey.happens(customer, "consent_given", topic="promotions")
    journey.happens("c5", "consent_given", topic="news")
    journey.after(seconds=0)
    return journey


def test_answers_branches_and_wall_times(tmp_path: Path) -> None:
    """Ana clicks and lives in Lisbon, Ben clicks, Chloé does nothing, Dev is not in the audience."""
    journey = welcome(tmp_path)
    assert sorted(journey.got()) == ["ana@example.com", "ben@example.com", "chloe@example.com"]
    journey.after(minutes=59)
    journey.clicks("c1")
    journey.clicks("c2")
    journey.after(minutes=1)
    assert journey.got()[3:] == ["ana@example.com"]
    journey.after(hours=22)  # Tuesday, 9:00 in Lisbon
    assert journey.got()[4:] == ["ana@example.com"]
    journey.after(days=3, hours=1)
    assert journey.got()[5:] == ["chloe@example.com"]
    journey.after(days=3, hours=21, minutes=59)  # a minute before Tuesday, 9:00 in Paris
    assert len(journey.got()) == 6
    journey.after(minutes=1)
    assert journey.got()[6:] == ["chloe@example.com"]
    found = [journey.path(customer) for customer in ("c1", "c2", "c3", "c4", "c5")]
    assert found == [
        [("hello+0:message 2+59:then 2.then.1+59:1 lisboa+60:message last+1380:message", "done")],
        [("hello+0:message 2+59:then 2.then.1+59:2", "stopped")],
        [("hello+0:message 2+5760:otherwise nudge+5760:message last+11400:message", "done")],
        [("", "not_in_audience")],
        [],
    ]
    assert account_of(journey.workspace, journey.run).sent == 7


def test_a_click_before_the_journey_saw_its_message_leave_counts(tmp_path: Path) -> None:
    journey = Journey(tmp_path, WELCOME % "0%")
    journey.happens("c2", "consent_given", topic="promotions")
    pinned = LaunchedCampaigns(journey.workspace.project)
    advance_journeys(journey.workspace, pinned)
    deliver(journey.workspace)
    assert isinstance(journey.workspace.clock, ManualClock)
    journey.workspace.clock.advance(timedelta(seconds=1))
    journey.clicks("c2")
    advance_journeys(journey.workspace, pinned)
    journey.after(seconds=5)
    assert journey.path("c2") == [("hello+0:message 2+0:then 2.then.1+0:2", "stopped")]


def test_holdouts_walk_the_whole_way_and_get_nothing(tmp_path: Path) -> None:
    journey = welcome(tmp_path, holdout="99.9%")
    journey.after(days=4)
    journey.after(days=3, hours=22)
    assert journey.got() == []
    ((path, ended),) = journey.path("c3")
    assert (path, ended) == ("hello+0:holdout 2+5760:otherwise nudge+5760:holdout last+11400:holdout", "done")
    assert account_of(journey.workspace, journey.run).holdout == 8  # in Lisbon it is not 9:00 yet


def test_a_refused_message_is_a_step_and_the_entry_goes_on(tmp_path: Path) -> None:
    journey = Journey(tmp_path, WELCOME % "0%")
    with journey.workspace.store.transaction() as connection:
        consent.record(
            connection, ["c3"], channel="email", topic="promotions", granted=False, at=TOY_AS_OF, source="unsubscribe"
        )
    journey.happens("c3", "consent_given", topic="promotions")
    journey.after(seconds=0)
    assert journey.path("c3") == [("hello+0:consent_withdrawn", None)]
    journey.after(days=4)
    assert journey.path("c3") == [("hello+0:consent_withdrawn 2+5760:otherwise nudge+5760:consent_withdrawn", None)]


def test_explain_shows_the_way_and_where_somebody_stands(cart: Journey) -> None:
    cart.happens("c1", "add_to_cart", cart_id="k1")
    cart.after(hours=2)
    found = explain(cart.workspace, "toy", "ana@example.com")
    heads = [block.text for block in explain_blocks(found) if isinstance(block, Text)]
    rows = [row for block in explain_blocks(found) if isinstance(block, Table) for row in block.rows]
    assert "journey, entry 1 for k1: began 2026-03-30 11:00 UTC, by add_to_cart e1" in heads
    assert ("2026-03-30 11:00", "first", "message") in rows
    assert ("now", "", "waits for 1d (step 2), until 2026-03-31 11:00 UTC") in rows
    cart.happens("c1", "purchase")
    cart.after(minutes=30)
    (path,) = explain(cart.workspace, "toy", "c1").journey
    assert [(moment.step, moment.what) for moment in path.moments] == [("first", "message"), ("2", "ended by purchase")]
    assert (path.standing, path.ended) == ("", "stop_when")
    assert found.decision is not None
    assert found.decision.step == "first"
