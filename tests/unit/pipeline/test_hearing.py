"""What events do to the people of a journey, by hand; and however a history is cut, the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl

from automation.clock import to_millis
from automation.pipeline.hearing import Heard, Listener, hear
from automation.rules.did import DidOptions
from automation.store.inbox.unheard import UNHEARD
from automation.types.campaign import Campaign
from automation.types.condition import Group, Leaf
from automation.types.entry import ENTRY_COLUMNS
from automation.types.journey import compile_program

START = datetime(2026, 11, 24, 9, tzinfo=UTC)
SEND = {"send": {"channels": ["email"], "template": "hello", "name": "first"}}


def did(name: str) -> Leaf:
    return Leaf("did", DidOptions(did=name), "stop_when", f"did: {name}")


def listener(*steps: Any, **written: Any) -> Listener:
    trigger = {"did": "add_to_cart", "quiet_for": "2h"}
    stop = Group("any", (did("purchase"), did("empty_cart")))
    fields = {
        "name": "cart",
        "topic": "promotions",
        "starts_when": trigger,
        "stop_when": stop,
        "steps": steps or [SEND],
    }
    campaign = Campaign.model_validate({**fields, **written})
    return Listener(7, campaign, compile_program(campaign), launched_at=at(-24))


def at(hours: float) -> int:
    return to_millis(START) + round(hours * 3_600_000)


def event(number: int, hours: float, type_: str = "add_to_cart", **values: Any) -> dict[str, Any]:
    fields = values.pop("fields", {})
    row = {"event": number, "event_id": f"e{number}", "customer_id": "c1", "type": type_, "occurred_at": at(hours)}
    row |= {"received_at": at(hours), "message_id": None, "fields": json.dumps(fields), "entry": None, "again": False}
    return {**row, **values}


def listen(to: Listener, *events: dict[str, Any], inside: pl.DataFrame | None = None) -> Heard:
    schema = {**UNHEARD, "entry": pl.Int64(), "again": pl.Boolean()}
    frame = pl.DataFrame(list(events), schema=schema, orient="row")
    entries = pl.DataFrame(schema={**ENTRY_COLUMNS, "timezone": pl.String()}) if inside is None else inside
    return hear(frame, entries, to, shop_zone="UTC")


def inside(heard: Heard, *, first_id: int = 1) -> pl.DataFrame:
    """The entries as the store would have them next time."""
    return heard.begun.with_columns(pl.int_range(first_id, first_id + pl.len(), dtype=pl.Int64).alias("id")).drop(
        "ended", "ended_at"
    )


def test_it_begins_when_nothing_more_happened_for_the_time() -> None:
    heard = listen(listener(), event(1, 0), event(2, 1), event(3, 1.5, customer_id="c2"))
    rows = heard.begun.sort("customer_id").select("customer_id", "step", "due_at", "cause", "entered_at")
    assert rows.rows() == [("c1", "", at(3), "e1", at(3)), ("c2", "", at(3.5), "e3", at(3.5))]


def test_what_stops_it_ends_it_also_while_it_gathers() -> None:
    heard = listen(listener(), event(1, 0), event(2, 1, "purchase"))
    assert heard.begun.is_empty()
    assert heard.ended.select("ended", "ended_at", "path").rows() == [("stop_when", at(1), "start+-60:stop_when:ev2")]
    again = listen(listener(), event(1, 0), event(2, 1, "purchase"), event(3, 2))
    assert again.begun.select("cause", "due_at").rows() == [("e3", at(4))]


def test_an_event_before_the_start_or_about_another_order_stops_nothing() -> None:
    orders = listener(per="order", starts_when={"did": "delivered"}, stop_when=did("return"))
    begun = inside(listen(orders, event(1, 0, "delivered", fields={"order_id": "o1"})))
    other = event(2, 1, "return", fields={"order_id": "o2"})
    earlier = event(3, -1, "return", fields={"order_id": "o1"})
    assert listen(orders, other, earlier, inside=begun).ended.is_empty()
    unnamed, same = event(4, 1, "return"), event(5, 1, "return", fields={"order_id": "o1"})
    for stops in (unnamed, same):
        assert listen(orders, stops, inside=begun).ended["ended"].to_list() == ["stop_when"]


def test_why_an_event_begins_nothing_is_counted() -> None:
    orders = listener(per="order", starts_when={"did": "delivered"}, stop_when=did("return"))
    named = {"fields": {"order_id": "o1"}}
    heard = listen(
        orders,
        event(1, 0, "delivered"),
        event(2, -30, "delivered", **named),
        event(3, -20, "delivered", received_at=at(150), **named),
        event(4, 1, "delivered", **named),
        event(5, 2, "delivered", **named),
    )
    assert heard.begun["cause"].to_list() == ["e4"]
    assert heard.passed_over == {"no_subject": 1, "before_launch": 1, "too_old": 1, "already_in": 1}
    entered = inside(heard).with_columns(step=pl.lit("first"), since=pl.lit(at(1)))
    assert listen(orders, event(6, 3, "delivered", **named), inside=entered).passed_over == {"already_in": 1}


def test_a_purchase_that_came_in_before_its_cart_stops_it_all_the_same() -> None:
    known = event(1, 1, "purchase", again=True)
    assert listen(listener(), known, event(2, 0)).ended["ended"].to_list() == ["stop_when"]
    standing = inside(listen(listener(), event(3, 0)))
    assert listen(listener(), known, inside=standing).ended.is_empty()


def test_an_answer_moves_who_waits_for_it_and_is_kept_for_who_will() -> None:
    wait = {"wait_for": {"did": "click", "up_to": "4h"}, "then": [{"wait": "2h"}]}
    steps = listener(
        SEND, {"wait": "1h"}, wait, {"send": {**SEND["send"], "name": "last"}}, starts_when={"did": "view"}
    )
    begun = inside(listen(steps, event(1, 0, "view")))
    here = begun.with_columns(step=pl.lit("2"), since=pl.lit(at(0)), due_at=pl.lit(at(1)))
    click: dict[str, Any] = {"type_": "email_click", "entry": 1}
    early = listen(steps, event(2, 0.5, **click), inside=here).changed
    assert early.select("step", "due_at", "heard").rows() == [("2", at(1), f"3:{at(0.5)}")]
    in_time = listen(steps, event(3, 2, **click), inside=here).changed
    assert in_time.select("step", "due_at", "heard").rows() == [("3", at(2), f"3:{at(2)}")]
    too_late = listen(steps, event(4, 5.5, **click), inside=here).changed
    assert too_late.select("step", "due_at").rows() == [("last", at(5))]
    assert listen(steps, event(5, 0.5, "email_click", entry=2), inside=here).changed.is_empty()
    named = event(6, 0.5, "click", fields={"campaign": "cart"})
    assert listen(steps, named, inside=here).changed["heard"].to_list() == [f"3:{at(0.5)}"]
