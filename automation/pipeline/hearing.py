"""What events do to entries: they begin, push, end and answer them. Values in, values out: no store, no clock.

Each person's events are taken in the order in which they occurred, and what was due before an event is done before it,
so that it does not matter in how many parts a history is heard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from automation.clock import in_millis
from automation.pipeline.walk import heard_with, path_with, walk
from automation.types.answers import ANSWERS, types_of
from automation.types.campaign import Campaign
from automation.types.entry import ENTRY_COLUMNS, GATHERING, Ending
from automation.types.journey import Program

MOST_LATE = timedelta(days=7)
"""An event that arrives later than that after it occurred begins nothing: as long as the inbox remembers its id."""
_SUBJECTS: Mapping[str, str] = {"order": "order_id", "cart": "cart_id", "product": "product_id"}
"""By `per`: what an event names its subject by."""


@dataclass(frozen=True)
class Listener:
    """One version of a campaign with people inside. starts: whether it is the launched one, which people may enter.

    launched_at: when the campaign was first launched with this trigger (milliseconds): nothing older begins an entry.
    """

    run_id: int
    campaign: Campaign
    program: Program
    launched_at: int
    starts: bool = True


@dataclass
class Heard:
    """What a batch of events did to the entries of one listener.

    begun: new entries, without `id`. changed: entries that stand elsewhere, or are due at another time. ended: with
    `ended` and `ended_at`. passed_over: how many events began nothing, by reason.
    """

    begun: pl.DataFrame
    changed: pl.DataFrame
    ended: pl.DataFrame
    passed_over: Counter[str] = field(default_factory=Counter)


_STATE = {**ENTRY_COLUMNS, "ended": pl.String(), "ended_at": pl.Int64(), "touched": pl.Boolean()}
_EVENT = ("event", "event_id", "occurred_at", "about", "entry", "campaign", "again")


def hear(events: pl.DataFrame, entries: pl.DataFrame, listener: Listener, *, shop_zone: str) -> Heard:
    """What the events do to a listener's people.

    events: `unheard.UNHEARD`, `entry` (the entry whose message it is about, null: none) and `again`: whether it was
    heard before, so that it counts only for entries that begin now. entries: `ENTRY_COLUMNS` of the open entries of
    these customers, and their `timezone` and dates as `walk` needs them.
    """
    events = _relevant(events, listener)
    extra = {name: kind for name, kind in entries.schema.items() if name not in ENTRY_COLUMNS}
    blank = [pl.lit(None, dtype=_STATE[name]).alias(name) for name in ("ended", "ended_at")]
    state = entries.with_columns(*blank, pl.lit(value=False).alias("touched"))
    passed_over: Counter[str] = Counter()
    for wave in events.sort("wave").partition_by("wave", maintain_order=True):
        state = _walk_to(state, wave, listener.program, shop_zone)
        if listener.starts:
            state = _start(state, wave, listener, passed_over, extra)
        state = _answer(_stop(state, wave, listener), wave, listener)
    touched = state.filter("touched").drop("touched")
    begun = touched.filter((pl.col("id") < 0) & pl.col("ended").is_null())
    known = touched.filter((pl.col("id") >= 0) | pl.col("ended").is_not_null())
    return Heard(
        begun, known.filter(pl.col("ended").is_null()), known.filter(pl.col("ended").is_not_null()), passed_over
    )


def _relevant(events: pl.DataFrame, listener: Listener) -> pl.DataFrame:
    """The events that the campaign listens to, with what they name: `about` (the order, cart or product, null: none)
    and `campaign`; and `wave`: each customer's first event is in wave 0."""
    about = _subject_of(listener.campaign)
    campaign = pl.col("fields").str.json_path_match("$.campaign")
    ours = events.filter(pl.col("type").is_in(sorted(listener.program.listens)))
    ours = ours.with_columns(about.alias("about"), campaign.alias("campaign"))
    starts = pl.col("type").is_in(sorted(listener.program.starts)) & _starts(listener.campaign)
    ordered = ours.with_columns(starts.alias("starts")).sort("occurred_at", ~pl.col("starts"), "event")
    return ordered.with_columns(pl.int_range(pl.len()).over("customer_id").alias("wave"))


def _starts(campaign: Campaign) -> pl.Expr:
    """Whether an event of the right type is a start: a consent to the topic that the campaign waits for."""
    topic = None if campaign.starts_when is None else campaign.starts_when.consent_given
    return pl.lit(value=True) if topic is None else pl.col("fields").str.json_path_match("$.topic") == topic


def _subject_of(campaign: Campaign) -> pl.Expr:
    """The order, cart or product that an event names; "" for a campaign per customer."""
    named = _SUBJECTS.get(campaign.per)
    return pl.lit("") if named is None else pl.col("fields").str.json_path_match(f"$.{named}")


def _quiet(listener: Listener) -> int:
    trigger = listener.campaign.starts_when
    return 0 if trigger is None or trigger.quiet_for is None else in_millis(trigger.quiet_for)


def _walk_to(state: pl.DataFrame, wave: pl.DataFrame, program: Program, shop_zone: str) -> pl.DataFrame:
    """Do what was due before the events."""
    instants = wave.select("customer_id", (pl.col("occurred_at") - 1).alias("until"))
    concerned = state.join(instants, on="customer_id", how="inner", maintain_order="left")
    moving = concerned.filter(
        pl.col("ended").is_null() & (pl.col("step") != GATHERING) & (pl.col("due_at") <= pl.col("until"))
    )
    if moving.is_empty():
        return state
    walked = walk(moving.drop("ended", "ended_at"), program, shop_zone=shop_zone)
    walked = walked.with_columns(pl.lit(value=True).alias("touched")).drop("until", "asks").select(state.columns)
    return pl.concat([state.join(walked, on="id", how="anti", maintain_order="left"), walked])


def _start(
    state: pl.DataFrame,
    wave: pl.DataFrame,
    listener: Listener,
    passed_over: Counter[str],
    extra: Mapping[str, pl.DataType],
) -> pl.DataFrame:
    starting = wave.filter(pl.col("starts") & ~pl.col("again"))
    if starting.is_empty():
        return state
    per_cart = listener.campaign.per == "cart"
    subject = pl.col("about").fill_null("") if per_cart else pl.col("about")
    reason = (
        pl.when(subject.is_null()).then(pl.lit("no_subject"))
        .when(pl.col("occurred_at") < listener.launched_at).then(pl.lit("before_launch"))
        .when(pl.col("received_at") - pl.col("occurred_at") > in_millis(MOST_LATE)).then(pl.lit("too_old"))
    )  # fmt: skip
    starting = starting.with_columns(reason.alias("reason"), subject.alias("subject"))
    passed_over.update(starting["reason"].drop_nulls().to_list())
    starting = starting.filter(pl.col("reason").is_null())
    keys, quiet = ["customer_id", "subject"], _quiet(listener)
    open_ = state.filter(pl.col("ended").is_null())
    gathering = open_.filter((pl.col("step") == GATHERING) & bool(quiet))
    inside = open_.join(gathering, on="id", how="anti", maintain_order="left")
    passed_over["already_in"] += starting.join(inside, on=keys, how="semi").height
    again = starting.select(*keys, (pl.col("occurred_at") + quiet).alias("pushed"))
    later = pl.max_horizontal("due_at", "pushed")
    pushed = gathering.join(again, on=keys, how="inner").with_columns(
        later.alias("due_at"), later.alias("entered_at"), pl.lit(value=True).alias("touched")
    )
    state = pl.concat([state.join(pushed, on="id", how="anti", maintain_order="left"), pushed.select(state.columns)])
    new = starting.join(open_, on=keys, how="anti", maintain_order="left")
    return pl.concat([state, _begin(new, state, listener, quiet, extra)])


def _begin(
    starting: pl.DataFrame, state: pl.DataFrame, listener: Listener, quiet: int, extra: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """New entries, which gather until their start is settled."""
    lowest = min(0, int(str(state["id"].min() or 0)))
    due = pl.col("occurred_at") + quiet
    fresh = starting.select(
        (lowest - 1 - pl.int_range(pl.len(), dtype=pl.Int64)).alias("id"),
        pl.lit(listener.run_id, dtype=pl.Int64).alias("run_id"),
        "customer_id",
        "subject",
        pl.lit(GATHERING).alias("step"),
        due.alias("due_at"),
        pl.lit(None, dtype=pl.Int64).alias("since"),
        due.alias("entered_at"),
        pl.col("event_id").alias("cause"),
        pl.lit(None, dtype=pl.String).alias("message_id"),
        pl.lit("").alias("heard"),
        pl.lit("").alias("path"),
        pl.lit(None, dtype=pl.String).alias("ended"),
        pl.lit(None, dtype=pl.Int64).alias("ended_at"),
        pl.lit(value=True).alias("touched"),
    )
    return fresh.with_columns(pl.lit(None, dtype=kind).alias(name) for name, kind in extra.items()).select(
        state.columns
    )


def _stop(state: pl.DataFrame, wave: pl.DataFrame, listener: Listener) -> pl.DataFrame:
    """End the entries that the campaign stops when this happens."""
    stopping = wave.filter(pl.col("type").is_in(sorted(listener.program.stops))).select("customer_id", *_EVENT)
    if stopping.is_empty():
        return state
    found = state.join(stopping, on="customer_id", how="left", maintain_order="left")
    quiet = _quiet(listener)
    last_start = pl.when(pl.col("step") == GATHERING).then("due_at").otherwise("entered_at") - quiet
    hit = (
        pl.col("event").is_not_null()
        & pl.col("ended").is_null()
        & (pl.col("occurred_at") >= last_start)
        & (pl.col("event_id") != pl.col("cause"))
        & _is_about(listener.campaign)
        & _counts()
    ).fill_null(value=False)
    code = pl.concat_str(pl.lit(f"{Ending.STOP_WHEN.value}:ev"), pl.col("event").cast(pl.String))
    place = pl.when(pl.col("step") == GATHERING).then(pl.lit("start")).otherwise("step")
    path = path_with(place, code)
    marked = found.with_columns(pl.col("occurred_at").alias("at")).with_columns(
        pl.when(hit).then(path).otherwise("path").alias("path"),
        pl.when(hit).then(pl.lit(Ending.STOP_WHEN.value)).otherwise("ended").alias("ended"),
        pl.when(hit).then("occurred_at").otherwise("ended_at").alias("ended_at"),
        (hit | pl.col("touched")).alias("touched"),
    )
    return marked.select(state.columns)


def _answer(state: pl.DataFrame, wave: pl.DataFrame, listener: Listener) -> pl.DataFrame:
    """Note what entries wait for, or will wait for; those that wait for it now go on."""
    for node in listener.program.nodes.values():
        wait = node.step.wait_for
        if wait is None:
            continue
        for word in wait.types:
            answers = wave.filter(pl.col("type").is_in(types_of(word))).select("customer_id", *_EVENT)
            if answers.is_empty():
                continue
            found = state.join(answers, on="customer_id", how="left", maintain_order="left")
            hit = (
                pl.col("event").is_not_null()
                & pl.col("ended").is_null()
                & (pl.col("step") != GATHERING)
                & (pl.col("occurred_at") >= pl.col("entered_at"))
                & (pl.col("event_id") != pl.col("cause"))
                & (_is_its_own(listener.campaign) if word in ANSWERS else _is_about(listener.campaign))
                & _counts()
            ).fill_null(value=False)
            here = hit & (pl.col("step") == node.name) & pl.col("due_at").is_not_null()
            state = found.with_columns(
                pl.when(hit).then(heard_with(node, pl.col("occurred_at"))).otherwise("heard").alias("heard"),
                pl.when(here).then("occurred_at").otherwise("due_at").alias("due_at"),
                (hit | pl.col("touched")).alias("touched"),
            ).select(state.columns)
    return state


def _is_about(campaign: Campaign) -> pl.Expr:
    """Whether an event is about an entry: it names the same order, cart or product, or none."""
    if campaign.per == "customer":
        return pl.lit(value=True)
    return pl.col("about").is_null() | (pl.col("subject") == "") | (pl.col("about") == pl.col("subject"))


def _is_its_own(campaign: Campaign) -> pl.Expr:
    """Whether an answer is to one of the entry's own messages, or, without a message, to the campaign's."""
    return (pl.col("entry") == pl.col("id")) | (pl.col("entry").is_null() & (pl.col("campaign") == campaign.name))


def _counts() -> pl.Expr:
    """An event that was heard before counts only for an entry that begins now."""
    return ~pl.col("again") | (pl.col("id") < 0)
