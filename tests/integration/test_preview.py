"""A preview works for every customer of the toy shop at any time, and says why they would not get it now."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from support.scripted_channel import scripted, sent
from support.toy_project import BODY, CAMPAIGN, deliver, start, toy_project

from automation.errors import AutomationError
from automation.reporting.previews import preview_customer, sent_message
from automation.store import pauses
from automation.store.ledger import decisions
from automation.store.people import consent
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.message import Receipt, Rendered

HELD_OUT = CAMPAIGN + "experiment: {holdout: 99%}\n"
DRAFT = "toy is a draft; to launch it: automation launch toy"


def test_who_gets_it_gets_no_reason(tmp_path: Path) -> None:
    with toy_project(tmp_path) as shop:
        assert preview_customer(shop, "toy", "c1").why_not == [DRAFT]
        start(shop)
        assert preview_customer(shop, "toy", "c1").why_not == []


@pytest.mark.slow
def test_whatever_is_in_the_way_the_message_is_shown_and_the_reasons_beside_it(tmp_path: Path) -> None:
    """c6 never bought, c7 has no address, c8 never did anything and refused, c5 bounced."""
    with toy_project(tmp_path, campaign=CAMPAIGN + "reentry: never\n") as shop:
        at = TOY_AS_OF - timedelta(days=3)
        with shop.store.transaction() as connection:
            for name in ("consent", "consent_record"):
                connection.exec_driver_sql(f"DELETE FROM {name} WHERE customer_id = 'c8'")
            consent.record(
                connection, ["c8"], channel="email", topic="promotions", granted=False, at=at, source="the till"
            )
            consent.suppress(
                connection, ["eve@example.com"], channel="email", reason="hard_bounce", source="mx.example", now=at
            )
        start(shop)  # c1 gets it
        with shop.store.transaction() as connection:
            pauses.stop(connection, "toy", by="ana", now=TOY_AS_OF)
        found = {f"c{n}": preview_customer(shop, "toy", f"c{n}") for n in (1, 5, 6, 7, 8)}
    assert {name: one.message.subject for name, one in found.items()} == {
        "c1": "Hello Ana", "c5": "Hello Eve", "c6": "Hello Finn", "c7": "Hello Gül", "c8": "Hello Hana",
    }  # fmt: skip
    assert (found["c7"].message.to, found["c7"].message.channel) == ("", "email")
    stopped = "campaign 'toy' was stopped by ana; to resume: automation resume toy"
    never = "not in the audience now: did: purchase (never)"
    assert {name: one.why_not for name, one in found.items()} == {
        "c1": [stopped, "was in this campaign too recently (was in run 1 of toy on 2026-03-30)"],
        "c5": [
            stopped,
            "the address is on the suppression list (eve@example.com is on the suppression list since 2026-03-27: the "
            "address does not exist or permanently rejects our messages; source: mx.example)",
        ],
        "c6": [stopped, never],
        "c7": [stopped, "no address for any of the campaign's channels (email)"],
        "c8": [
            stopped,
            never,
            "consent for this channel and topic was refused, and never given (consent to promotions by email refused "
            "on 2026-03-27; source: the till)",
        ],
    }


@pytest.mark.parametrize(
    ("campaign", "reason"),
    [
        (HELD_OUT, "in the campaign's holdout: not contacted, to measure the effect"),
        (
            CAMPAIGN.replace("items: 2", "items: 2, at_least: 2"),
            "fewer recommended products than the campaign requires",
        ),
        (
            CAMPAIGN.replace("send: {", "limits: {quiet_hours: '00:00-23:59', when_quiet: drop}\nsend: {"),
            "due in quiet hours, and the campaign does not wait",
        ),
        (
            CAMPAIGN.replace("give: pct10}, {otherwise: pct20}", "give: no_message}, {otherwise: no_message}"),
            "the offer policy chose to send nothing",
        ),
    ],
)
def test_a_later_stage_that_refuses_is_said_too(tmp_path: Path, campaign: str, reason: str) -> None:
    """c3 has all products but p1 and the teapot."""
    with toy_project(tmp_path, campaign=campaign) as shop:
        found = preview_customer(shop, "toy", "c3")
    assert found.message.subject == "Hello Chloé"
    assert found.why_not == [DRAFT, reason]


def test_a_sent_message_is_shown_exactly_as_it_was_sent(tmp_path: Path) -> None:
    seen: dict[str, Rendered] = {}

    def note(message: Rendered, _provider: int) -> Receipt:
        seen[message.id] = message
        return sent(message)

    with toy_project(tmp_path) as shop:
        run_id = start(shop)
        deliver(shop, make=scripted(note))
        (tmp_path / "templates/toy/email.html").write_text(BODY.replace("Hello", "Changed since"))
        assert len(seen) == 5
        for identity, message in seen.items():
            found = sent_message(shop, identity)
            assert found.message == message
            assert (found.decision.run_id, found.decision.state) == (run_id, "sent")
        with pytest.raises(AutomationError, match="there is no message 'x'"):
            sent_message(shop, "x")


def test_a_message_that_was_never_sent_is_not_shown_as_sent(tmp_path: Path) -> None:
    with toy_project(tmp_path) as shop:
        start(shop)
        with shop.store.reading() as connection:
            (row,) = decisions.find(connection, customer_id="c1")
        with pytest.raises(AutomationError, match="was never sent"):
            sent_message(shop, str(row.message_id))
