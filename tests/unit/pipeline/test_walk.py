"""Where entries come to: waits, answers, branches and endings, by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from automation.clock import to_millis
from automation.pipeline.walk import BRANCH, SEND, heard_since, pass_on, walk
from automation.types.campaign import Campaign
from automation.types.entry import ENTRY_COLUMNS
from automation.types.journey import END, Program, compile_program

START = datetime(2026, 11, 24, 9, tzinfo=UTC)
HOUR = 3_600_000


def send(name: str) -> dict[str, Any]:
    return {"send": {"channels": ["email"], "template": "hello", "name": name}}


def program(*steps: Any) -> Program:
    return compile_program(Campaign.model_validate({"name": "welcome", "topic": "promotions", "steps": steps}))


def entry(number: int = 1, **values: Any) -> dict[str, Any]:
    at = to_millis(START)
    fields = {"id": number, "run_id": 1, "customer_id": f"c{number}", "subject": "", "step": "", "due_at": at}
    fields |= {"since": at, "entered_at": at, "cause": "e1", "message_id": None, "heard": "", "path": ""}
    return {**fields, "timezone": "Europe/Berlin", "until": at, **values}


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    extra = {"timezone": pl.String, "until": pl.Int64}
    dates = {name: pl.Date for row in rows for name in row if name.startswith("date_")}
    return pl.DataFrame(list(rows), schema={**ENTRY_COLUMNS, **extra, **dates}, orient="row")


def at(hours: float) -> int:
    return to_millis(START) + int(hours * HOUR)


def standing(walked: pl.DataFrame) -> tuple[Any, ...]:
    row = walked.row(0, named=True)
    return row["step"], row["due_at"], row["asks"], row["ended"]


def test_a_wait_lasts_exactly_its_length_and_its_end_begins_the_next() -> None:
    steps = program(send("hello"), {"wait": "1d"}, {"wait": "2h"}, send("more"))
    before = walk(frame(entry(step="2", due_at=at(24), until=at(23.9))), steps, shop_zone="UTC")
    assert standing(before) == ("2", at(24), None, None)
    late = walk(frame(entry(step="2", due_at=at(24), until=at(25))), steps, shop_zone="UTC")
    assert standing(late) == ("3", at(26), None, None)
    later = walk(frame(entry(step="2", due_at=at(24), until=at(80))), steps, shop_zone="UTC")
    assert standing(later) == ("more", at(26), SEND, None)
    assert later["since"].to_list() == [at(26)]


def test_what_it_waits_for_is_heard_in_time_or_not() -> None:
    wait = {"wait_for": {"did": "click", "up_to": "4d"}, "then": [{"wait": "2d"}], "otherwise": [send("nudge")]}
    steps = program(send("hello"), {"wait": "1d"}, wait, send("last"))
    here: dict[str, Any] = {"step": "2", "due_at": at(24)}
    open_ = walk(frame(entry(**here, until=at(30))), steps, shop_zone="UTC")
    assert standing(open_) == ("3", at(120), None, None)
    heard = walk(frame(entry(**here, until=at(30), heard=f"3:{at(5)}")), steps, shop_zone="UTC")
    assert standing(heard) == ("3.then.1", at(24 + 48), None, None)
    assert heard["path"].to_list() == ["3+1440:then"]
    missed = walk(frame(entry(step="3", due_at=at(120), until=at(121))), steps, shop_zone="UTC")
    assert standing(missed) == ("nudge", at(120), SEND, None)
    assert missed["path"].to_list() == ["3+7200:otherwise"]


def test_what_happened_before_an_instant_is_forgotten() -> None:
    wait = {"wait_for": {"did": "click", "up_to": "4d"}, "then": [{"wait": "2d"}]}
    steps = program(send("hello"), wait, {"wait_for": {"did": "view", "up_to": "1d"}}, send("last"))
    rows = frame(entry(1, heard=f"2:{at(1)} 3:{at(3)}"), entry(2, heard=f"3:{at(1)}"), entry(3))
    kept = rows.select(heard_since(steps, pl.lit(at(2))).alias("kept"))["kept"].to_list()
    assert kept == [f"3:{at(3)}", "", ""]


def test_arms_join_and_the_end_comes_when_nothing_follows() -> None:
    branch = {"branch": [{"otherwise": [{"wait": "1h"}, {"stop": True}]}]}
    steps = program(send("hello"), branch)
    asked = walk(frame(entry(step="2", due_at=at(1), until=at(9))), steps, shop_zone="UTC")
    assert standing(asked) == ("2", at(1), BRANCH, None)
    gone = pass_on(frame(entry(step="2", due_at=at(1), until=at(3))), to=pl.lit("2.1.1"), at=pl.lit(at(3)))
    assert standing(walk(gone, steps, shop_zone="UTC")) == ("2.1.1", at(4), None, None)
    ended = walk(frame(entry(step="2.1.1", due_at=at(4), until=at(9))), steps, shop_zone="UTC")
    assert ended.select("ended", "ended_at").row(0) == ("stopped", at(4))
    done = walk(frame(entry(step=END, due_at=at(2), until=at(9))), steps, shop_zone="UTC")
    assert done.select("ended", "ended_at").row(0) == ("done", at(2))


def test_an_entry_that_waits_for_its_message_stays() -> None:
    steps = program(send("hello"), {"wait": "1d"}, send("more"))
    walked = walk(frame(entry(step="2", due_at=None, since=None, until=at(99))), steps, shop_zone="UTC")
    assert standing(walked) == ("2", None, None, None)


def test_a_time_of_day_is_the_next_on_the_customers_clock() -> None:
    """In Berlin it is 10:00 on Tuesday; at exactly 10:00 the next such time is a week later."""
    steps = program(send("a"), {"wait": "0h"}, {"wait": {"until": "Tuesday 10:00"}}, send("b"))
    rows = [entry(n, step="2", due_at=at(n - 1), until=at(1)) for n in (1, 2)]
    rows[0]["timezone"], rows[1]["timezone"] = "Europe/Berlin", "America/New_York"
    walked = walk(frame(*rows), steps, shop_zone="UTC").sort("id")
    week = to_millis(START + timedelta(days=7))
    assert walked["due_at"].to_list() == [week, to_millis(datetime(2026, 11, 24, 15, tzinfo=UTC))]


def test_a_date_is_waited_for_and_one_that_is_over_stops() -> None:
    until = {"trait": "renewal_date", "before": "3d", "at": "09:00"}
    steps = program(send("a"), {"wait": "1h"}, {"wait": {"until": until}}, send("b"))
    dates = [date(2026, 12, 10), date(2026, 11, 25), None]
    rows = [entry(n, step="2", due_at=at(1), until=at(2), date_3=day) for n, day in enumerate(dates, 1)]
    walked = walk(frame(*rows), steps, shop_zone="UTC").sort("id")
    assert walked["ended"].to_list() == [None, "too_late", "no_date"]
    assert walked["due_at"].to_list()[0] == to_millis(datetime(2026, 12, 7, 8, tzinfo=UTC))
    going_on = program(send("a"), {"wait": "1h"}, {"wait": {"until": until, "when_past": "go_on"}}, send("b"))
    assert standing(walk(frame(rows[1]), going_on, shop_zone="UTC")) == ("b", at(1), SEND, None)
