"""Decisions about candidates, as values: the minimum gap, time slots, and how groups spread over workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from support.grants import grant
from support.ledger import NOW, POLICY

from automation.clock import to_millis
from automation.delivery.granting import Granting, SendPolicy, WorkerLoad, spread_over_workers
from automation.delivery.rates import RateLimits, RunRate, to_micros
from automation.delivery.suppression_answers import SuppressionAnswers
from automation.store.ledger.candidates import Candidate
from automation.store.ledger.grants import Outcome
from automation.types.channel_settings import ChannelSettings
from automation.types.message import MessageState
from automation.types.rate import Rate

GAP = SendPolicy(POLICY.marketing, POLICY.shop_zone, timedelta(hours=20))


def candidate(number: int, **changed: Any) -> Candidate:
    found = Candidate(grant(number), f"a{number}@shop.example", None, "given", None, False, None, None)
    return found._replace(**changed)


def decide(
    *candidates: Candidate,
    policy: SendPolicy = POLICY,
    last_sends: Mapping[str, int] | None = None,
    answers: SuppressionAnswers | None = None,
    email: ChannelSettings | None = None,
) -> Outcome:
    limits = RateLimits(
        {}, {} if email is None else {"email": email}, to_micros(NOW), date(2026, 11, 24), {1: RunRate("winback", None)}
    )
    granting = Granting(policy, NOW, last_sends or {})
    return granting.decide(candidates, limits, [WorkerLoad(1, {})], answers).outcome


def ids(outcome: Outcome) -> list[str]:
    return [one.id for one in outcome.grants]


def test_a_person_gets_the_next_marketing_message_after_the_gap() -> None:
    an_hour_ago = to_millis(NOW - timedelta(hours=1))
    by_id = decide(candidate(1), policy=GAP, last_sends={"c1": an_hour_ago})
    by_address = decide(candidate(1), policy=GAP, last_sends={"a1@shop.example": an_hour_ago})
    assert by_id.spaced == by_address.spaced == {"m1": to_millis(NOW + timedelta(hours=19))}
    assert ids(decide(candidate(1), policy=GAP, last_sends={"c2": an_hour_ago})) == ["m1"]
    assert ids(decide(candidate(1), last_sends={"c1": an_hour_ago})) == ["m1"]


def test_of_two_messages_for_one_person_the_first_leaves() -> None:
    same = candidate(2, recipient="a1@shop.example")
    outcome = decide(candidate(1), same, policy=GAP)
    assert ids(outcome) == ["m1"]
    assert outcome.spaced == {"m2": to_millis(NOW + timedelta(hours=20))}


def test_a_message_that_is_refused_takes_nobodys_turn() -> None:
    refused, second = candidate(1, consent="withdrawn"), candidate(2, recipient="a1@shop.example")
    outcome = decide(refused, second, policy=GAP)
    assert ids(outcome) == ["m2"]
    assert outcome.refused == {"m1": (MessageState.SUPPRESSED, "consent_withdrawn")}
    stopped_by_plugin = decide(
        candidate(1), second, policy=GAP, answers=SuppressionAnswers(frozenset({"m1", "m2"}), {"m1": "strike"})
    )
    assert ids(stopped_by_plugin) == ["m2"]


def test_a_message_that_comes_back_after_its_journey_ended_is_cancelled() -> None:
    outcome = decide(candidate(1, is_over=True), candidate(2))
    assert (ids(outcome), outcome.refused) == (["m2"], {"m1": (MessageState.CANCELLED, "stop_when")})


def test_a_message_waits_until_its_journey_has_heard_what_happened() -> None:
    outcome = decide(candidate(1, is_unheard=True), candidate(2))
    assert (ids(outcome), outcome.refused, outcome.deferred) == (["m2"], {}, {})


def test_a_service_message_needs_no_gap() -> None:
    service = candidate(1, grant=grant(1)._replace(topic="service"), consent=None)
    assert ids(decide(service, policy=GAP, last_sends={"c1": to_millis(NOW)})) == ["m1"]


def test_the_first_reason_counts() -> None:
    everything = candidate(1, expires_at=to_millis(NOW), consent=None, suppression="unsubscribed", is_duplicate=True)
    reasons = []
    for changed in ({}, {"expires_at": None}, {"consent": True}, {"suppression": None}):
        everything = everything._replace(**changed)
        reasons.append(decide(everything).refused["m1"])
    assert reasons == [
        (MessageState.EXPIRED, "late"),
        (MessageState.SUPPRESSED, "no_consent"),
        (MessageState.SUPPRESSED, "unsubscribed"),
        (MessageState.SUPPRESSED, "duplicate_address"),
    ]


def test_an_unknown_zone_has_the_shops_quiet_hours() -> None:
    """9:00 in UTC is 10:00 in Berlin."""
    quiet = candidate(1, quiet_hours="10:00-11:00", quiet_zone="Mars/Olympus")
    assert decide(quiet).deferred == {"m1": to_millis(NOW + timedelta(hours=1))}
    assert ids(decide(quiet._replace(quiet_zone="UTC"))) == ["m1"]


def test_messages_without_a_time_slot_stay_queued() -> None:
    outcome = decide(*map(candidate, range(3)), email=ChannelSettings("smtp", rate=Rate(5, "second")))
    assert ids(outcome) == ["m0", "m1"]
    assert (outcome.deferred, outcome.refused) == ({}, {})


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (3, {1: 2, 2: 1}),  # few: spread evenly
        (100, {1: 64, 2: 36}),  # many: in whole groups
    ],
)
def test_grants_spread_over_workers(messages: int, expected: dict[int, int]) -> None:
    placed = spread_over_workers([grant(n) for n in range(messages)], [WorkerLoad(1, {}), WorkerLoad(2, {})])
    assert Counter(one.worker_id for one in placed) == expected
    assert [one.id for one in placed] == [f"m{n}" for n in range(messages)]


def test_a_providers_messages_go_to_the_worker_that_has_the_fewest_of_them() -> None:
    """Those of another provider count for nothing: one that hangs must not keep a worker from the others."""
    loads = [WorkerLoad(1, {("email", 0): 200}), WorkerLoad(2, {("email", 0): 10, ("email", 1): 50})]
    placed = spread_over_workers([grant(1), grant(2, provider=1)], loads)
    assert {one.id: one.worker_id for one in placed} == {"m1": 2, "m2": 1}
