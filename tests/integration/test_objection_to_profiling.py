"""A person who objects to profiling gets no marketing that chooses by behaviour, and nothing recommended from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.toy_project import CAMPAIGN, CONFIG, account_of, start, toy_project

from automation.cli.explain_blocks import explain_blocks
from automation.cli.output import Table
from automation.inbound.consents import accept_consent_events, record_by_hand
from automation.reporting.explain import explain
from automation.runner.plan import plan
from automation.store.inbox.inbox import InboxEvent
from automation.store.people import consent
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.decision import REASONS
from automation.workspace.workspace import Workspace

OBJECTING = CONFIG.replace("service: service}", "service: service, personalisation: service}") + (
    "consent: {profiling: personalisation}\n"
)
ANYBODY = """
name: toy
topic: promotions
schedule: {every: day 09:00}
audience: everyone
recommend: {using: surprise_knn, otherwise: {using: popular}, items: 1}
send: {channels: [email], template: toy}
"""
BODY = """<p>Hello {% for item in items %}{{ item.name }}{% endfor %}</p>
<a href="{{ links.unsubscribe }}">unsubscribe</a>"""


def object_to(workspace: Workspace, customer: str, *, granted: bool = False) -> None:
    record_by_hand(
        workspace, customer, granted=granted, channel="email", topics=["personalisation"], source="letter of 9 May",
        method="by hand", by="ana",
    )  # fmt: skip


def reasons(workspace: Workspace, run: int) -> dict[str, str]:
    query = sa.text("SELECT customer_id, reason FROM decision WHERE run_id = :run")
    with workspace.store.reading() as connection:
        return {row.customer_id: row.reason for row in connection.execute(query, {"run": run})}


def test_whom_a_campaign_chose_by_behaviour_it_leaves_out_and_explain_says_why(tmp_path: Path) -> None:
    with toy_project(tmp_path, config=OBJECTING) as toy:
        before = plan(toy, "toy", samples=0, preflight="off").outcomes
        object_to(toy, "c1")
        after = plan(toy, "toy", samples=0, preflight="off").outcomes
        run = start(toy)
        found = explain(toy, "toy", "c1")
        told = {str(value) for block in explain_blocks(found) if isinstance(block, Table) for row in block.rows
                for value in row}  # fmt: skip
        assert reasons(toy, run)["c1"] == "profiling_objection"
        assert REASONS["profiling_objection"] == "the person objected to being chosen by what they did (GDPR Art. 21)"
        assert any("personalisation by email" in text and "source: letter of 9 May" in text for text in told), told
        assert account_of(toy, run).suppressed == 1
    assert ("suppressed", "profiling_objection") not in before
    assert after["suppressed", "profiling_objection"] == 1


@pytest.mark.parametrize(("topic", "kept"), [("promotions", False), ("service", True)])
def test_service_messages_go_on_and_so_does_everything_after_a_new_yes(tmp_path: Path, topic: str, kept: bool) -> None:
    campaign = CAMPAIGN.replace("topic: promotions", f"topic: {topic}")
    with toy_project(tmp_path, campaign=campaign, config=OBJECTING) as toy:
        object_to(toy, "c1")
        assert (reasons(toy, start(toy))["c1"] != "profiling_objection") is kept
        toy.clock.advance(TOY_AS_OF - TOY_AS_OF.replace(hour=0))  # type: ignore[attr-defined]  # a ManualClock
        object_to(toy, "c1", granted=True)
        again = start(toy, key="2")
        assert reasons(toy, again)["c1"] != "profiling_objection"


def test_events_bring_it_and_another_id_with_the_address_is_left_out_too(tmp_path: Path) -> None:
    event = InboxEvent(
        "e1", "someone", "unsubscribe", TOY_AS_OF, None, {"topic": "personalisation", "address": "Ana@Example.com"}
    )
    with toy_project(tmp_path, config=OBJECTING) as toy:
        with toy.store.transaction() as connection:
            accept_consent_events(toy.project.settings, connection, [event], now=TOY_AS_OF)
            (record,) = consent.history(connection, ["someone"])
        assert (record.granted, record.source, record.at) == (False, "events", TOY_AS_OF)
        assert reasons(toy, start(toy))["c1"] == "profiling_objection"


def test_a_newsletter_goes_to_them_with_what_a_stranger_would_get(tmp_path: Path) -> None:
    """c1 and c3 bought; who objects gets what is popular, from the fallback of a model that knows them."""
    with toy_project(tmp_path, campaign=ANYBODY, config=OBJECTING, body=BODY) as toy:
        object_to(toy, "c1")
        start(toy)
        query = sa.text("SELECT customer_id, items FROM decision WHERE customer_id IN ('c1', 'c3')")
        with toy.store.reading() as connection:
            by = {row.customer_id: [one["by"] for one in json.loads(row.items)] for row in connection.execute(query)}
    assert by == {"c1": ["popular"], "c3": ["surprise_knn"]}
