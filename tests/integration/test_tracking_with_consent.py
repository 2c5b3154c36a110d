"""Where config.yaml names a topic for tracking, opens and clicks are counted only of those who agreed to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from support.scripted_channel import scripted, sent
from support.toy_project import CONFIG, deliver, message_to, outbox, start, toy_project
from support.web import serving

from automation.cli.explain_blocks import explain_blocks
from automation.cli.output import Block, Table, Text
from automation.cli.plan_blocks import plan_blocks
from automation.cli.report import _blocks
from automation.clock import ManualClock
from automation.delivery.sent_message import Rerendering
from automation.experiment.analysis import share_interval
from automation.inbound.consents import record_by_hand
from automation.reporting.explain import explain
from automation.reporting.figures import Rate
from automation.reporting.report import report
from automation.runner.plan import plan
from automation.runner.refresh import flush_inbox
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.types.message import Receipt, Rendered
from automation.workspace.workspace import Workspace

ASKING = CONFIG.replace("service: service}", "service: service, measuring: marketing}") + (
    "consent: {tracking: measuring}\nlinks: {base_url: https://news.toy.example}\n"
)
CLICK, PIXEL = "https://news.toy.example/c/", "https://news.toy.example/o/"
UNSUBSCRIBE = "https://news.toy.example/u/"
BODY = """<p>Hello {{ customer.first_name }}</p><a href="{{ shop.url }}">shop</a>
<a href="{{ links.unsubscribe }}">unsubscribe</a> <a href="{{ links.preferences }}">choose</a>"""
SIMPLE = """
name: toy
topic: promotions
schedule: {every: day 09:00}
audience: {did: purchase}
reentry: always
send: {channels: [email], template: toy}
"""


def agree(toy: Workspace, customer: str, *, granted: bool = True) -> None:
    record_by_hand(
        toy, customer, granted=granted, channel="email", topics=["measuring"], source="the till", method="by hand",
        by="ana",
    )  # fmt: skip


def tracked(toy: Workspace) -> dict[str, bool]:
    """Address → whether its message is tracked; a message carries all of it or nothing, and always its own links."""
    found = {}
    for line in outbox(toy):
        html = message_to(toy, line["to"])[1]
        assert (CLICK in html) is (PIXEL in html) is ("https://toy.example" not in html)
        assert UNSUBSCRIBE in html
        assert "https://news.toy.example/p/" in html
        found[line["to"]] = PIXEL in html
    return found


def shown(blocks: Sequence[Block]) -> str:
    """The cells of the tables and the texts."""
    cells = [" | ".join(map(str, row)) for block in blocks if isinstance(block, Table) for row in block.rows]
    return "\n".join([*cells, *(block.text for block in blocks if isinstance(block, Text))])


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    """c1, c2, c3, c4 and c5 get the message. c1, c3 and c4 agreed to be measured; c5 refused, c2 was never asked."""
    with toy_project(tmp_path, campaign=SIMPLE, config=ASKING, body=BODY) as toy:
        for customer in ("c1", "c3", "c4"):
            agree(toy, customer)
        agree(toy, "c5", granted=False)
        yield toy


def test_only_who_agreed_is_tracked_and_a_withdrawal_before_sending_holds(toy: Workspace) -> None:
    planned = plan(toy, "toy", samples=0, preflight="off")
    assert planned.untracked == {"no_consent": 1, "consent_refused": 1}
    start(toy)
    agree(toy, "c3", granted=False)
    deliver(toy)
    assert tracked(toy) == {
        "ana@example.com": True, "ben@example.com": False, "chloe@example.com": False, "dev@example.com": True,
        "eve@example.com": False,
    }  # fmt: skip
    for line in outbox(toy):
        assert Rerendering(toy).message(line["id"]).html.split() == message_to(toy, line["to"])[1].split()
    assert shown(plan_blocks(toy, planned)).count(
        "2 messages would carry no pixel and no tracked links, for want of a consent to measuring: "
        "refused consent 1, no consent on record 1"
    ) == 1  # fmt: skip


def test_a_withdrawal_after_the_grant_holds_until_the_message_is_handed_over(toy: Workspace) -> None:
    """The first message leaves while all are granted; then everybody withdraws."""
    left: list[bool] = []

    def answer(message: Rendered, _provider: int) -> Receipt:
        left.append(PIXEL in message.html or CLICK in message.html)
        if len(left) == 1:
            for customer in ("c1", "c2", "c3", "c4", "c5"):
                agree(toy, customer, granted=False)
        return sent(message)

    assert isinstance(toy.clock, ManualClock)
    toy.clock.advance(timedelta(minutes=1))  # of two words of one instant the no counts
    agree(toy, "c2")
    agree(toy, "c5")
    start(toy)
    deliver(toy, make=scripted(answer))
    assert left == [True, False, False, False, False]


def test_explain_says_who_is_not_tracked_and_why(toy: Workspace) -> None:
    assert (
        "would carry no pixel and no tracked links, for want of a consent to measuring: no consent on record"
        in shown(explain_blocks(explain(toy, "toy", "c2")))
    )
    start(toy)
    assert "consent to measuring by email refused" in shown(explain_blocks(explain(toy, "toy", "c5")))
    deliver(toy)
    told = explain(toy, "toy", "c5").tracking
    assert told.startswith(
        "sent without pixel and tracked links, for want of a consent to measuring: consent to measuring"
    )
    assert told.endswith("source: the till")
    assert explain(toy, "toy", "c1").tracking == "opens and clicks are counted, with consent to measuring"


def test_rates_of_opens_and_clicks_are_shares_of_the_tracked_messages(toy: Workspace) -> None:
    """Of five messages three are tracked; Ana opened hers, bought, and clicked."""
    start(toy)
    deliver(toy)
    (ana,) = [line["id"] for line in outbox(toy) if line["to"] == "ana@example.com"]
    at = toy.clock.now() + timedelta(minutes=5)
    events = [InboxEvent(f"{type_}-1", "c1", type_, at, ana, {}) for type_ in ("email_open", "email_click")]
    with toy.store.transaction() as connection:
        inbox.add_events(connection, events, now=at)
    assert isinstance(toy.clock, ManualClock)
    toy.clock.advance(timedelta(hours=1))
    flush_inbox(toy)
    found = report(toy, "toy")
    rates = found.channels["email"].rates
    assert rates["opened"] == rates["clicked"] == Rate(1, 3, *share_interval(1, 3))
    assert rates["unsubscribed"] == Rate(0, 5, *share_interval(0, 5))
    assert (found.untracked, found.to_json()["untracked"]) == (2, 2)
    text = shown(_blocks(toy, found))
    assert "opened | 1 | 33.3%" in text
    assert "2 messages left without pixel and tracked links" in text


def test_after_a_withdrawal_nothing_more_is_counted_and_links_still_lead_to_the_shop(
    toy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(toy)
    deliver(toy)
    assert isinstance(toy.clock, ManualClock)
    toy.clock.advance(timedelta(minutes=1))
    with serving(toy) as shop:
        shop.client.get(f"/o/{shop.token('open')}")
        assert [event["type"] for event in shop.events()] == ["email_open"]
        agree(toy, "c1", granted=False)
        shop.move(timedelta(seconds=10))
        assert shop.client.get(f"/o/{shop.token('open')}").status_code == 200
        assert shop.client.get(f"/c/{shop.token('click')}").headers["location"] == "https://toy.example"
        assert [event["type"] for event in shop.events()] == ["email_open"]
