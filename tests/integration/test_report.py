"""A campaign's report over the toy shop, worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from support.project import json_of
from support.scripted_channel import scripted, sent
from support.toy_project import CONFIG, deliver, outbox, start, toy_project

from automation.cli.output import Table, Text
from automation.cli.report import _blocks
from automation.cli.run_blocks import run_blocks
from automation.clock import ManualClock
from automation.errors import ConfigurationError
from automation.experiment.analysis import Lift, share_interval
from automation.reporting.figures import Credit, Rate
from automation.reporting.report import report
from automation.reporting.run_status import run_status
from automation.runner.refresh import flush_inbox
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.store.ledger import decisions
from automation.store.people import consent
from automation.workspace.shop_format import UNKNOWN_SHOP
from automation.workspace.workspace import Workspace

CAMPAIGN = """
name: {name}
description: worked out by hand
topic: promotions
schedule: {{every: day 09:00}}
reentry: always
audience: {{did: purchase}}
experiment: {{{holdout}goal: {{did: purchase, within: 3d, measure: revenue}}}}
send: {{channels: [email], template: toy}}
"""
BODY = "<p>Hello {{ customer.first_name }}</p><a href='{{ links.unsubscribe }}'>unsubscribe</a>"


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    """`toy` holds out some; a day later `other` writes to everybody. Both were sent."""
    with toy_project(tmp_path, campaign=CAMPAIGN.format(name="toy", holdout="holdout: 40%, "), body=BODY) as toy:
        yield toy


def both(toy: Workspace) -> None:
    start(toy)
    deliver(toy)
    (toy.project.root / "campaigns/other.yaml").write_text(CAMPAIGN.format(name="other", holdout=""))
    reopened = toy_again(toy)
    start(reopened, name="other")
    deliver(reopened)


def toy_again(toy: Workspace) -> Workspace:
    from dataclasses import replace

    from automation.workspace.workspace import open_project

    assert isinstance(toy.clock, ManualClock)
    toy.clock.advance(timedelta(days=1))
    return replace(toy, project=open_project(toy.project.root))


def message_of(toy: Workspace, customer: str, campaign_number: int) -> str:
    with toy.store.reading() as connection:
        reached = decisions.read_touches(connection)
    mine = reached.filter(pl.col("customer_id") == customer, pl.col("campaign") == ("toy", "other")[campaign_number])
    return str(mine["message_id"].item())


def happens(toy: Workspace, type_: str, customer: str, at: datetime, **columns: str | float) -> None:
    message = columns.pop("message_id", None)
    event_id = f"{type_}-{customer}-{at:%d%H%M%S}-{message}-{columns}"
    event = InboxEvent(event_id, customer, type_, at, None if message is None else str(message), columns)
    with toy.store.transaction() as connection:
        inbox.add_events(connection, [event], now=at)


def arms(toy: Workspace) -> tuple[list[str], list[str]]:
    """Who got `toy`, and who was held out of it."""
    with toy.store.reading() as connection:
        mine = decisions.read_touches(connection).filter(pl.col("campaign") == "toy")
    return tuple(mine.filter(pl.col("outcome") == o)["customer_id"].to_list() for o in ("message", "holdout"))  # type: ignore[return-value]


def test_purchases_are_tied_to_messages_and_to_having_been_held_out(toy: Workspace) -> None:
    both(toy)
    contacted, held_out = arms(toy)
    assert contacted
    assert held_out
    now = toy.clock.now()  # a day after toy, just after other
    buyer, kept_out = contacted[0], held_out[0]
    for customer, euro in ((buyer, 10.0), (kept_out, 30.0)):
        for line in (1, 2):  # one order of two lines is one purchase
            at = now + timedelta(hours=1)
            happens(toy, "purchase", customer, at, order_id=f"o-{customer}", amount=euro, product_id=f"p{line}")
    happens(toy, "purchase", buyer, now + timedelta(days=2, hours=1), order_id="late", amount=5.0)  # past toy's 3 days
    toy = toy_again(toy)
    toy.clock.advance(timedelta(days=5))  # type: ignore[attr-defined]
    flush_inbox(toy)
    last = {name: report(toy, name) for name in ("toy", "other")}
    assert last["toy"].credit == Credit()
    assert last["toy"].held_out == Credit()  # `other` came later, for the held out as for the contacted
    assert last["other"].credit == Credit(3.0, 85.0)
    first = {name: report(toy, name, model="first") for name in ("toy", "other")}
    assert first["toy"].credit == Credit(1.0, 20.0)
    assert first["toy"].held_out == Credit(1.0, 60.0)
    assert first["other"].credit == Credit(1.0, 5.0)
    linear = {name: report(toy, name, model="linear") for name in ("toy", "other")}
    assert linear["toy"].credit == Credit(0.5, 10.0)
    assert linear["toy"].held_out == Credit(0.5, 30.0)
    assert linear["other"].credit == Credit(2.0, 45.0)
    lift = last["toy"].lift
    assert isinstance(lift, Lift)
    assert (lift.contacted_converted, lift.held_out_converted) == (1, 1)
    assert (lift.contacted, lift.held_out) == (len(contacted), len(held_out))
    assert last["other"].lift is None


def test_answers_are_counted_by_message_and_machines_apart(toy: Workspace) -> None:
    both(toy)
    (customer, *_), _ = arms(toy)
    at, message = toy.clock.now(), message_of(toy, customer, 0)
    for minute, type_ in enumerate(("email_open", "email_open", "email_click", "machine_open", "unsubscribe")):
        happens(toy, type_, customer, at + timedelta(minutes=minute), message_id=message)
    happens(toy, "email_open", customer, at, message_id="f" * 32)  # of nobody's message
    toy = toy_again(toy)
    assert not any(report(toy, "toy").responses.values())  # it reads the warehouse, and moves nothing there
    flush_inbox(toy)
    told = report(toy, "toy")
    assert {kind: n for kind, n in told.responses.items() if n} == {
        "opened": 1, "clicked": 1, "opened_by_bots": 1, "unsubscribed": 1,
    }  # fmt: skip
    assert not any(report(toy, "other").responses.values())
    assert told.account.adds_up
    assert told.account.sent == len(arms(toy)[0])


SMS = """  sms: {using: http_sms, options: {url: "https://sms.example/v1", form: {to: "{to}", text: "{text}"}}}
"""
TWO = """
name: toy
topic: promotions
schedule: {every: day 09:00}
audience: {did: purchase}
experiment: {variants: {plain: {share: 50%}, warm: {share: 50%}}, goal: {did: purchase, within: 3d}}
send: {channels: [email, sms], template: toy}
"""


def test_variants_and_channels_have_their_own_figures_which_add_up(tmp_path: Path) -> None:
    """Six bought before; Gül has a phone only. One of each kind of answer, each in its message's group."""
    config = CONFIG.replace("offers:\n", f"{SMS}offers:\n") + "links: {base_url: 'https://news.toy.example'}\n"
    (tmp_path / "templates/toy").mkdir(parents=True)
    (tmp_path / "templates/toy/sms.txt").write_text("Hello {{ customer.first_name }}. Reply STOP to end.\n")
    with toy_project(tmp_path, campaign=TWO, config=config, body=BODY) as toy:
        with toy.store.transaction() as connection:
            consent.record(
                connection, ["c7"], channel="sms", topic="promotions", granted=True, at=toy.clock.now(), source="test"
            )
        run = start(toy)
        deliver(toy, make=scripted(sent))
        status = run_status(toy, run)
        with toy.store.reading() as connection:
            mine = decisions.read_touches(connection)
        group = dict(mine.select("customer_id", "variant").iter_rows())
        number = dict(mine.select("customer_id", "message_id").iter_rows())
        at = toy.clock.now() + timedelta(hours=1)
        for type_, customer in (
            ("email_delivered", "c1"), ("email_open", "c1"), ("email_open", "c1"), ("email_click", "c2"),
            ("email_bounce", "c3"), ("unsubscribe", "c4"), ("sms_delivered", "c7"), ("machine_open", "c5"),
        ):  # fmt: skip
            happens(toy, type_, customer, at, message_id=number[customer])
        happens(toy, "purchase", "c2", at, order_id="o1", amount=30.0)
        happens(toy, "purchase", "c7", at, order_id="o2", amount=12.0)
        toy.clock.advance(timedelta(days=4))  # type: ignore[attr-defined]
        flush_inbox(toy)
        told = report(toy, "toy")
        shown = _blocks(toy, told)

    assert told.account.sent == 6
    assert status.channels == {("email", "sent"): 5, ("sms", "sent"): 1}
    blocks = run_blocks(status, UNKNOWN_SHOP, {})
    (of_the_run,) = (b for b in blocks if isinstance(b, Table) and b.columns[0] == "channel")
    assert of_the_run.rows == [("email", "sent", 5), ("sms", "sent", 1)]
    channels = {name: figures.to_json() for name, figures in told.channels.items()}
    assert (channels["email"]["sent"], channels["sms"]["sent"]) == (5, 1)
    assert told.channels["email"].rates["opened"] == Rate(1, 5, *share_interval(1, 5))
    assert told.channels["sms"].rates["opened"] is None
    assert told.channels["sms"].rates["delivered"] == Rate(1, 1, *share_interval(1, 1))
    assert told.channels["sms"].credit == Credit(1.0, 12.0)
    who = {
        "delivered": "c1 c7",
        "opened": "c1",
        "clicked": "c2",
        "bounced": "c3",
        "unsubscribed": "c4",
        "converted": "c2 c7",
    }
    for name, figures in told.variants.items():
        assert figures.sent == sum(variant == name for variant in group.values())
        expected = {response: sum(group[one] == name for one in ids.split()) for response, ids in who.items()}
        counted = {response: rate.count for response, rate in figures.rates.items() if rate is not None}
        assert {response: counted.get(response, 0) for response in expected} == expected
    for groups in (told.variants, told.channels):
        assert sum(figures.sent for figures in groups.values()) == told.account.sent
        for response, count in told.responses.items():
            assert sum(figures.responses[response] for figures in groups.values()) == count
        assert sum(figures.credit.revenue for figures in groups.values()) == told.credit.revenue == 42.0
    by_channel, by_variant = (
        block for block in shown if isinstance(block, Table) and block.columns[0] in ("channel", "variant")
    )
    assert by_channel.columns == (
        "channel", "sent", "delivered", "bounced", "opened", "clicked", "bought", "unsubscribed",
    )  # fmt: skip
    assert by_channel.rows == [
        ("email", 5, 1, 1, 1, 1, 1, 1), ("sms", 1, 1, 0, None, None, 1, 0), ("all", 6, 2, 1, 1, 1, 2, 1),
    ]  # fmt: skip
    assert by_variant.columns == ("variant", "plain", "warm")
    assert any("no clear difference yet" in block.text for block in shown if isinstance(block, Text))
    assert any(block.text.startswith("opens are unreliable") for block in shown if isinstance(block, Text))


def test_a_campaign_that_never_ran(toy: Workspace) -> None:
    told = report(toy, "toy")
    assert (told.runs, told.account.audience, told.credit, told.lift) == (0, 0, Credit(), None)


def test_an_unknown_campaign(toy: Workspace) -> None:
    with pytest.raises(ConfigurationError, match="toyy"):
        report(toy, "toyy")


@pytest.mark.slow
def test_the_command(toy: Workspace) -> None:
    start(toy)
    deliver(toy)
    told = json_of(toy.project.root, "report", "toy", "--attribution", "linear")
    assert told["attribution"] == "linear"
    assert told["adds_up"] is True
    assert told["account"]["sent"] == len(list(outbox(toy))) > 0
    assert told["goal"] == {"did": "purchase", "within_seconds": 259_200.0}
