"""Who gets a customer's place under the caps: every case worked out on a calendar of one customer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from automation.clock import from_millis, to_millis
from automation.pipeline.arbitration import CapVerdicts, judge_caps
from automation.pipeline.caps import CapRequest, CapRule, CompetingRun, cap_rules
from automation.store.engine import Store, insert_rows, open_store
from automation.store.ledger import cap_slots
from automation.store.tables import CapEntry, Decision, Message, MessageStatus
from automation.types.campaign import Campaign
from automation.types.limits import Cap
from automation.types.safety import Caps

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
DAY = timedelta(days=1)
ALIKE = frozenset({"promotions", "news"})


def rule(text: str, **more: Any) -> CapRule:
    cap = Cap.from_text(text)
    return CapRule(cap.sends, cap.window, ALIKE, name=text, **more)


def cap_request(*rules: CapRule, **more: Any) -> CapRequest:
    return CapRequest("winback", "promotions", more.pop("priority", 50), rules, **more)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "store.db")
    yield opened
    opened.close()


def promise(
    store: Store, days: float, *, customer: str = "c1", campaign: str = "news", state: str | None = "queued",
    priority: int = 20, value: float | None = None, wait: float | None = None, recipient: str = "",
    channel: str = "email",
) -> str:  # fmt: skip
    """Another campaign's message so many days from now; state None: a holdout's place."""
    identity, at = f"{campaign}{customer}{days}", to_millis(NOW + days * DAY)
    contact = {
        "message_id": identity, "customer_id": customer, "recipient": recipient, "channel": channel, "topic": "news",
        "campaign": campaign, "at": at, "priority": priority, "expected_value": value,
        "wait_until": None if wait is None else at + to_millis(from_millis(0) + wait * DAY),
    }  # fmt: skip
    decision = {
        "id": abs(hash(identity)) % 10**9, "entry": identity, "run_id": 1, "batch_no": 0, "campaign": campaign,
        "customer_id": customer, "outcome": "message", "reason": "selected", "detail": "", "items": "[]",
        "propensities": "{}", "decided_at": at, "step": "", "visit": 0,
    }  # fmt: skip
    message = {
        "id": identity, "decision_id": decision["id"], "run_id": 1, "batch_no": 0, "customer_id": customer,
        "channel": channel, "topic": "news", "address": recipient, "template": "t", "context": "{}",
    }  # fmt: skip
    status = {
        "message_id": identity, "decision_id": decision["id"], "run_id": 1, "queue": "email", "due_at": at,
        "expires_at": at + 86_400_000, "state": state, "attempt": 0,
    }  # fmt: skip
    tables: list[tuple[type, dict[str, Any]]] = [(CapEntry, contact)]
    tables += [(Decision, decision), (Message, message), (MessageStatus, status)] if state else []
    with store.transaction() as connection:
        for model, row in tables:
            insert_rows(connection, model, tuple(row), [tuple(row.values())])
    return identity


def asked(
    store: Store, wanted: CapRequest, *, days: float = 0, value: float | None = None, early: bool = False
) -> CapVerdicts:
    """What is said of a message to c1, and what gives way is carried out."""
    batch = pl.DataFrame(
        {
            "customer_id": ["c1"], "channel": ["email"], "address": ["Ana@x.example"],
            "due_at": [to_millis(NOW + days * DAY)], "expected_value": [value],
        },
        schema_overrides={"expected_value": pl.Float64},
    )  # fmt: skip
    with store.transaction() as connection:
        found = judge_caps(batch, wanted, connection, now=NOW, early=early)
        cap_slots.yield_cap_slots(connection, found.displaced, now=NOW)
    return found


def told(found: CapVerdicts) -> tuple[list[tuple[str, str]], list[tuple[str, str, float]]]:
    """The refusals, and the waits in days from now."""
    waits = [
        (reason, detail, (from_millis(until) - NOW) / DAY)
        for reason, detail, until in found.waits.select("reason", "detail", "not_before").iter_rows()
    ]
    return found.refused.select("reason", "detail").rows(), waits


def message(store: Store, identity: str) -> tuple[str, str | None, float]:
    with store.reading() as connection:
        found = connection.exec_driver_sql(
            "SELECT m.state, d.reason, m.due_at FROM message_status m JOIN decision d ON d.id = m.decision_id "
            "WHERE m.message_id = ?",
            (identity,),
        ).one()
    return found[0], found[1], (from_millis(found[2]) - NOW) / DAY


NOTHING: tuple[list[Any], list[Any]] = ([], [])


def test_a_higher_priority_campaign_takes_the_slot_of_a_queued_message(store: Store) -> None:
    weak = promise(store, 1)
    found = asked(store, cap_request(rule("1 per 7d")))
    assert told(found) == NOTHING
    assert found.displaced.rows() == [(weak, "news", "winback", None)]
    assert message(store, weak)[:2] == ("cancelled", "arbitration_lost")
    assert told(asked(store, cap_request(rule("1 per 7d")))) == NOTHING  # its place is free now


@pytest.mark.parametrize("state", ["sending", "sent", "ambiguous"])
def test_a_message_being_sent_keeps_its_slot(store: Store, state: str) -> None:
    promise(store, -1, state=state)
    assert told(asked(store, cap_request(rule("1 per 7d")))) == ([("frequency_cap", "1 per 7d")], [])


def test_a_lower_priority_campaign_loses_to_a_queued_message(store: Store) -> None:
    strong = promise(store, 1, priority=80)
    assert told(asked(store, cap_request(rule("1 per 7d")))) == ([("arbitration_lost", "news")], [])
    assert message(store, strong)[0] == "queued"


def test_equal_campaigns_keep_their_order_unless_more_is_expected_of_one(store: Store) -> None:
    first = promise(store, 1, priority=50, value=3.0)
    equal = cap_request(rule("1 per 7d"))
    lost: tuple[list[Any], list[Any]] = ([("arbitration_lost", "news")], [])
    assert told(asked(store, equal)) == lost  # nothing is expected of it
    assert told(asked(store, equal, value=3.0)) == lost
    assert told(asked(store, equal, value=2.0, early=True)) == NOTHING  # it isn't known yet
    assert message(store, first)[0] == "queued" or not asked(store, equal, value=2.0).displaced.height


def test_more_expected_value_wins_between_equal_campaigns(store: Store) -> None:
    first = promise(store, 1, priority=50, value=3.0)
    assert told(asked(store, cap_request(rule("1 per 7d")), value=3.5)) == NOTHING
    assert message(store, first)[0] == "cancelled"


def test_a_message_waits_as_long_as_its_campaign_allows(store: Store) -> None:
    """The other one leaves tomorrow: seven days later there is room, and not an hour before."""
    promise(store, 1, priority=80)
    for wait, expected in ((8.0, ([], [("deferred_for", "news", 8.0)])), (7.9, ([("arbitration_lost", "news")], []))):
        assert told(asked(store, cap_request(rule("1 per 7d"), wait=wait * DAY))) == expected


def test_a_full_cap_without_competing_runs_defers_the_message(store: Store) -> None:
    promise(store, -3, state="sent")
    promise(store, -1, state="sent")
    found = asked(store, cap_request(rule("2 per 7d"), wait=5 * DAY))
    assert told(found) == ([], [("deferred_by_cap", "2 per 7d", 4.0)])


def test_a_displaced_message_is_deferred_where_its_campaign_allows(store: Store) -> None:
    """The winner leaves now, the other one may leave seven days later, and waits up to six days after tomorrow."""
    weak = promise(store, 1, wait=6)
    asked(store, cap_request(rule("1 per 7d")))
    assert message(store, weak) == ("queued", "deferred_for", 7.0)
    assert told(asked(store, cap_request(rule("1 per 7d"), priority=10), days=7)) == (
        [("arbitration_lost", "news")],
        [],
    )
    tight = promise(store, 1, customer="c2", wait=5.9)
    assert message(store, tight)[0] == "queued"


def test_a_displaced_message_is_deferred_by_its_own_campaigns_caps(store: Store) -> None:
    weak = promise(store, 1, wait=20)
    asked(store, cap_request(rule("1 per 7d"), others={"news": [rule("1 per 10d")]}))
    assert message(store, weak) == ("queued", "deferred_for", 10.0)


def test_a_cap_looks_at_every_span_of_its_window_and_at_no_other(store: Store) -> None:
    """Six days ago and five days ahead never fall into one week together."""
    promise(store, -6, state="sent")
    promise(store, 5, priority=80)
    assert told(asked(store, cap_request(rule("2 per 7d")))) == NOTHING
    promise(store, -2, state="sent")
    assert told(asked(store, cap_request(rule("2 per 7d"))))[0] == [("frequency_cap", "2 per 7d")]


def test_the_window_is_half_open(store: Store) -> None:
    promise(store, -7, state="sent")
    promise(store, 7, state="queued", priority=80)
    assert told(asked(store, cap_request(rule("1 per 7d")))) == NOTHING


def test_the_lowest_value_is_displaced_first_and_no_more_than_is_needed(store: Store) -> None:
    keeps = promise(store, -1, campaign="sale", priority=40)
    goes = promise(store, 1, campaign="news", priority=20)
    asked(store, cap_request(rule("2 per 7d")))
    assert (message(store, keeps)[0], message(store, goes)[0]) == ("queued", "cancelled")


def test_nothing_is_displaced_where_it_would_not_free_enough_slots(store: Store) -> None:
    promise(store, -1, state="sent")
    promise(store, -2, state="sent")
    weak = promise(store, 1)
    found = asked(store, cap_request(rule("2 per 7d")))
    assert told(found)[0] == [("frequency_cap", "2 per 7d")]
    assert message(store, weak)[0] == "queued"


def test_one_displaced_message_may_free_slots_under_several_caps(store: Store) -> None:
    goes = promise(store, 0.5, campaign="news", priority=20)
    keeps = promise(store, -3, campaign="sale", priority=30)
    found = asked(store, cap_request(rule("2 per 7d"), rule("1 per 1d")))
    assert told(found) == NOTHING
    assert (message(store, keeps)[0], message(store, goes)[0]) == ("queued", "cancelled")


def test_the_gap_holds_on_both_sides(store: Store) -> None:
    gap = CapRule(1, timedelta(hours=20), ALIKE, code="min_gap", name="20h between two")
    promise(store, -0.5, state="sent")
    assert told(asked(store, cap_request(gap), days=0))[0] == [("min_gap", "20h between two")]
    assert told(asked(store, cap_request(gap), days=1)) == NOTHING
    promise(store, 2, state="sending")
    assert told(asked(store, cap_request(gap), days=1.5))[0] == [("min_gap", "20h between two")]


def test_ids_that_share_an_address_are_one_person(store: Store) -> None:
    promise(store, -1, customer="c99", recipient="ana@x.example", state="sent")
    assert told(asked(store, cap_request(rule("1 per 7d"))))[0] == [("frequency_cap", "1 per 7d")]


def test_a_cap_of_a_channel_counts_that_channel_only(store: Store) -> None:
    promise(store, -1, channel="sms", state="sent")
    assert told(asked(store, cap_request(rule("1 per 7d", channel="email")))) == NOTHING
    assert told(asked(store, cap_request(rule("1 per 7d", channel="sms")))) == NOTHING  # the message goes by e-mail
    assert told(asked(store, cap_request(rule("1 per 7d"))))[0] == [("frequency_cap", "1 per 7d")]


def test_a_holdout_s_slot_is_displaced_like_a_message_s(store: Store) -> None:
    promise(store, 1, state=None)
    assert told(asked(store, cap_request(rule("1 per 7d")))) == NOTHING
    assert told(asked(store, cap_request(rule("1 per 7d"), priority=1))) == NOTHING  # it is gone
    promise(store, -1, state=None)  # its time has passed, as if it had been sent
    assert told(asked(store, cap_request(rule("1 per 7d"))))[0] == [("frequency_cap", "1 per 7d")]


def test_an_upcoming_run_takes_its_slots_already(store: Store) -> None:
    sale = CompetingRun("sale", "news", "email", 90, NOW + DAY, pl.Series(["c1", "c7"]))
    assert told(asked(store, cap_request(rule("1 per 7d"), upcoming=[sale])))[0] == [("arbitration_lost", "sale")]
    others = CompetingRun("sale", "news", "email", 90, NOW + DAY, pl.Series(["c7"]))
    assert told(asked(store, cap_request(rule("1 per 7d"), upcoming=[others]))) == NOTHING
    waits = cap_request(rule("1 per 7d"), upcoming=[sale], wait=8 * DAY)
    assert told(asked(store, waits)) == ([], [("deferred_for", "sale", 8.0)])


def test_which_caps_a_campaign_is_under() -> None:
    caps = Caps.model_validate(
        {
            "total": [{"sends": 3, "window": timedelta(days=7)}],
            "channels": {"sms": [{"sends": 1, "window": timedelta(days=30)}]},
            "topics": {"service": [{"sends": 5, "window": DAY}]},
            "min_gap": timedelta(hours=20),
        }
    )
    topics = {"promotions": "marketing", "news": "marketing", "service": "service"}
    limits = {"cap": {"sends": 2, "window": timedelta(days=14)}}
    sale = Campaign.model_validate({"name": "sale", "topic": "promotions", "limits": limits})
    assert [(found.name, found.code, found.channel) for found in cap_rules(sale, caps, topics)] == [
        ("its own limit of 2 per 14d", "frequency_cap", None),
        ("3 per 7d in all", "frequency_cap", None),
        ("1 per 30d by sms", "frequency_cap", "sms"),
        ("20h between two", "min_gap", None),
    ]
    order = Campaign.model_validate({"name": "order", "topic": "service"})
    assert [(found.name, sorted(found.topics)) for found in cap_rules(order, caps, topics)] == [
        ("5 per 1d of service", ["service"])
    ]
