"""Time slots, warm-up, holds and the choice of provider, with every instant given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest
from support.grants import grant

from automation.delivery.rates import AHEAD, RateLimits, RunRate, campaign_lane, domain_lane, provider_lane
from automation.store.ledger.queues import Queue
from automation.store.ledger.rate_lanes import RateLaneRow
from automation.types.channel_settings import ChannelSettings, ProviderSettings, WarmUp
from automation.types.grant import Grant
from automation.types.rate import Rate

NOW = 1_000_000_000_000
QUEUE = Queue("email", 1, "")


def limits(
    email: ChannelSettings, *, rows: Mapping[str, RateLaneRow] | None = None, now: int = NOW, rate: float | None = None
) -> RateLimits:
    return RateLimits(dict(rows or {}), {"email": email}, now, date(2026, 11, 22), {1: RunRate("winback", rate)})


def slots(found: RateLimits, grants: list[Grant]) -> list[float | None]:
    taken = [found.slot(one) for one in grants]
    return [one.wait if isinstance(one, Grant) else None for one in taken]


def test_slots_are_one_over_the_rate_apart_and_at_most_a_quarter_of_a_second_ahead() -> None:
    found = limits(ChannelSettings("smtp", rate=Rate(20, "second")))
    assert found.room(QUEUE) == 6
    assert slots(found, [grant(n) for n in range(8)]) == [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, None, None]
    assert found.room(QUEUE) == 0


def test_the_next_tick_goes_on_where_the_last_one_ended() -> None:
    first = limits(ChannelSettings("smtp", rate=Rate(20, "second")))
    slots(first, [grant(n) for n in range(6)])
    rows = {provider_lane("email", 0): first._lanes[provider_lane("email", 0)].row}
    later = limits(ChannelSettings("smtp", rate=Rate(20, "second")), rows=rows, now=NOW + 100_000)
    assert slots(later, [grant(n) for n in range(6, 9)]) == [0.2, 0.25, None]


def test_fifty_per_second_are_exactly_five_hundred_in_ten_seconds() -> None:
    """A tick every 7 ms for eleven seconds, each for what has room; the slots of any ten seconds are counted."""
    rows: dict[str, RateLaneRow] = {}
    times: list[int] = []
    for now in range(NOW, NOW + 11_000_000, 7_000):
        tick = limits(ChannelSettings("smtp", rate=Rate(50, "second")), rows=rows, now=now)
        granted = [tick.slot(grant(n)) for n in range(tick.room(QUEUE))]
        times += [now + round(one.wait * 1e6) for one in granted if isinstance(one, Grant)]
        rows = {row.name: row for row in tick.changed()} or rows
    for began in range(NOW, NOW + 1_000_000, 100_000):
        assert sum(began <= at < began + 10_000_000 for at in times) == 500


def test_slots_that_a_busy_machine_missed_are_made_up_for_but_not_those_of_a_pause() -> None:
    name = provider_lane("email", 0)
    busy = limits(
        ChannelSettings("smtp", rate=Rate(20, "second")), rows={name: RateLaneRow(name, next_at=NOW - 100_000)}
    )
    assert busy.room(QUEUE) == 8
    assert slots(busy, [grant(n) for n in range(9)]) == [0.0, 0.0, 0.0, 0.05, 0.1, 0.15, 0.2, 0.25, None]
    paused = limits(
        ChannelSettings("smtp", rate=Rate(20, "second")), rows={name: RateLaneRow(name, next_at=NOW - 600_000)}
    )
    assert paused.room(QUEUE) == 6


def test_a_message_takes_the_latest_of_its_lanes_and_a_slot_of_each() -> None:
    email = ChannelSettings("smtp", rate=Rate(100, "second"), rate_per_domain=(("slow.example", Rate(10, "second")),))
    found = limits(email, rate=50.0)
    found.room(QUEUE)
    mixed = ["a@slow.example", "b@fast.example", "c@slow.example", "d@fast.example"]
    assert slots(found, [grant(n, address) for n, address in enumerate(mixed)]) == [0.0, 0.02, 0.1, 0.06]
    assert {name.partition("|")[0] for name in found._touched} == {"provider", "domain", "campaign"}
    assert campaign_lane("winback") in found._touched


def test_a_domain_without_slots_steps_aside_until_it_has_one() -> None:
    email = ChannelSettings("smtp", rate_per_domain=(("slow.example", Rate(1, "second")),))
    found = limits(email)
    assert slots(found, [grant(1, "a@slow.example")]) == [0.0]
    again = found.slot(grant(2, "b@slow.example"))
    assert again == (NOW + 1_000_000) // 1000 + 1
    assert slots(found, [grant(3, "b@fast.example")]) == [0.0]


def test_every_other_domain_has_the_rate_of_otherwise() -> None:
    email = ChannelSettings(
        "smtp", rate_per_domain=(("big.example", Rate(100, "second")), ("otherwise", Rate(5, "second")))
    )
    found = limits(email)
    assert slots(found, [grant(n, "a@small.example") for n in range(3)]) == [0.0, 0.2, None]
    assert slots(found, [grant(n, "a@big.example") for n in range(3)]) == [0.0, 0.01, 0.02]


def test_a_warm_up_gives_so_many_a_day_and_the_rest_to_the_other_provider() -> None:
    warm = WarmUp.model_validate({"from": date(2026, 11, 21), "first_day": 2, "grows": "50%"})
    assert [warm.cap(date(2026, 11, day)) for day in (20, 21, 22, 23)] == [0, 2, 3, 4]
    alone = ChannelSettings("smtp", warm_up=warm)
    found = limits(alone)
    assert found.room(QUEUE) == 3
    assert slots(found, [grant(n) for n in range(4)]) == [0.0, 0.0, 0.0, None]
    both = limits(ChannelSettings("smtp", warm_up=warm, otherwise=ProviderSettings("smtp")))
    chosen = [both.slot(grant(n)) for n in range(5)]
    assert [one.provider for one in chosen if isinstance(one, Grant)] == [0, 0, 0, 1, 1]


def test_a_day_later_the_count_begins_again() -> None:
    warm = WarmUp.model_validate({"from": date(2026, 11, 22), "first_day": 2})
    row = RateLaneRow(provider_lane("email", 0), day="2026-11-21", day_count=2)
    found = limits(ChannelSettings("smtp", warm_up=warm), rows={row.name: row})
    assert found.room(QUEUE) == 2


def test_a_held_provider_is_left_alone_for_the_other_one() -> None:
    email = ChannelSettings("smtp", otherwise=ProviderSettings("smtp"))
    found = limits(email)
    found.hold(provider_lane("email", 0), NOW + 30_000_000)
    chosen = found.slot(grant(1))
    assert isinstance(chosen, Grant)
    assert chosen.provider == 1
    found.hold(provider_lane("email", 1), NOW + 30_000_000)
    assert found.slot(grant(2)) is None
    assert found.room(QUEUE) == 0


def test_a_slot_from_before_the_clock_went_back_holds_nobody_up() -> None:
    row = RateLaneRow(provider_lane("email", 0), next_at=NOW + 86_400_000_000)
    found = limits(ChannelSettings("smtp", rate=Rate(10, "second")), rows={row.name: row})
    assert slots(found, [grant(1)]) == [0.0]


def test_without_any_rate_everything_leaves_at_once() -> None:
    found = replace(limits(ChannelSettings("smtp")), free={("email", 0): 100_000})
    assert found.room(QUEUE) == 100_000
    assert slots(found, [grant(n) for n in range(100)]) == [0.0] * 100
    assert found._lanes[provider_lane("email", 0)].row.next_at == 0


def test_a_lane_that_was_slowed_down_is_slow_though_the_files_say_nothing() -> None:
    row = RateLaneRow(domain_lane("email", "slow.example"), per_second=4.0)
    found = limits(ChannelSettings("smtp"), rows={row.name: row})
    assert slots(found, [grant(n, "a@slow.example") for n in range(2)]) == [0.0, 0.25]
    assert AHEAD == 250_000


@pytest.mark.parametrize(("text", "per_second"), [("50 per second", 50), ("90 per minute", 1.5), ("36 per hour", 0.01)])
def test_a_rate_in_words(text: str, per_second: float) -> None:
    from automation.types.rate import parse_rate

    assert parse_rate(text).per_second == pytest.approx(per_second)
    assert str(parse_rate(text)) == text


@pytest.mark.parametrize("text", ["50/s", "0 per second", "5 per week", 50, "fifty per second"])
def test_what_is_no_rate(text: object) -> None:
    from automation.types.rate import parse_rate

    with pytest.raises(ValueError, match="is not a rate; write 50 per second"):
        parse_rate(text)


BOTH = ChannelSettings("smtp", otherwise=ProviderSettings("smtp"))


def test_a_provider_takes_no_more_than_it_has_room_for() -> None:
    found = replace(limits(ChannelSettings("smtp")), free={("email", 0): 2})
    assert slots(found, [grant(n) for n in range(3)]) == [0.0, 0.0, None]
    assert (found.room(QUEUE), found.free_of("email")) == (0, 0)


def test_a_full_provider_is_waited_for_though_there_is_another() -> None:
    found = replace(limits(BOTH), free={("email", 0): 0, ("email", 1): 64})
    assert (found.room(QUEUE), slots(found, [grant(1)])) == (0, [None])


def test_the_other_provider_takes_over_from_one_that_answers_nothing() -> None:
    found = replace(limits(BOTH), free={("email", 0): 0, ("email", 1): 64}, silent={("email", 0): 12_000_000})
    assert found.room(QUEUE) == 64
    taken = found.slot(grant(1))
    assert isinstance(taken, Grant)
    assert taken.provider == 1


def test_silence_is_noted_since_it_began_and_forgotten_at_the_next_answer() -> None:
    silent = replace(limits(BOTH), silent={("email", 0): 12_000_000})
    silent.note_silence()
    (row,) = silent.changed()
    assert (row.name, row.silent_since) == (provider_lane("email", 0), NOW - 12_000_000)
    later = replace(limits(BOTH, rows={row.name: row}, now=NOW + 5_000_000), silent={("email", 0): 17_000_000})
    later.note_silence()
    assert later.changed() == []
    answered = limits(BOTH, rows={row.name: row}, now=NOW + 6_000_000)
    answered.note_silence()
    assert [row.silent_since for row in answered.changed()] == [0]
