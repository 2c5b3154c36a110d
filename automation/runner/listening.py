"""Hears what people did: one transaction for everything that a batch of events begins, pushes, ends and answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl
from sqlalchemy.engine import Connection

from automation.pipeline.hearing import Heard, hear
from automation.runner.live_journeys import LiveJourney, event_types
from automation.runner.travellers import Travellers
from automation.store import entries, watermarks
from automation.store.inbox.unheard import last_row, read_since, read_unheard
from automation.store.ledger import entry_messages
from automation.workspace.workspace import Workspace


def listen(workspace: Workspace, journeys: Sequence[LiveJourney], travellers: Travellers) -> Counter[tuple[str, str]]:
    """Hear every event that waits; returns how many of them began nothing, by campaign and reason."""
    passed_over: Counter[tuple[str, str]] = Counter()
    types = event_types(journeys)
    while True:
        with workspace.store.transaction() as connection:
            last = last_row(connection)
        with workspace.store.reading() as connection:
            after = watermarks.read_heard(connection)
            if last <= after:
                return passed_over
            events, upto = read_unheard(connection, after=after, last=last, types=types)
            inside = entries.read_open(connection, events["customer_id"].to_list())
            about = entry_messages.find_entries(connection, events["message_id"].drop_nulls().to_list())
            earlier = _heard_before(connection, events, journeys, after)
        events = pl.concat([events.with_columns(pl.lit(value=False).alias("again")), earlier])
        events = events.join(about, on="message_id", how="left", maintain_order="left")
        heard = [_hear(workspace, events, inside, one, travellers) for one in journeys]
        with workspace.store.transaction() as connection:
            if watermarks.read_heard(connection) == after and _is_as_read(connection, inside):
                for one, what in zip(journeys, heard, strict=True):
                    _write(connection, one, what, workspace)
                    passed_over.update({(one.name, reason): n for reason, n in what.passed_over.items() if n})
                watermarks.set_heard(connection, upto)


def _hear(
    workspace: Workspace, events: pl.DataFrame, inside: pl.DataFrame, journey: LiveJourney, travellers: Travellers
) -> Heard:
    theirs = inside.filter(pl.col("run_id") == journey.run.id).drop(entries.CAMPAIGN)
    clocked = travellers.with_clocks(theirs, journey.listener.program)
    return hear(events, clocked, journey.listener, shop_zone=workspace.project.settings.shop.timezone)


def _heard_before(
    connection: Connection, events: pl.DataFrame, journeys: Sequence[LiveJourney], after: int
) -> pl.DataFrame:
    """What the people did, heard already, who may begin now: it came in before its start, but happened after it."""
    starts = frozenset().union(*(one.listener.program.starts for one in journeys))
    starting = events.filter(pl.col("type").is_in(sorted(starts)))
    first = starting["occurred_at"].min()
    if first is None:
        return events.clear().with_columns(pl.lit(value=True).alias("again"))
    found = read_since(connection, starting["customer_id"].to_list(), event_types(journeys), since=int(str(first)))
    return found.filter(pl.col("event") <= after).with_columns(pl.lit(value=True).alias("again"))


def _is_as_read(connection: Connection, inside: pl.DataFrame) -> bool:
    """Whether nobody moved these entries meanwhile."""
    now = entries.read_open(connection, inside["customer_id"].to_list())
    return now.sort("id").equals(inside.select(now.columns).sort("id"))


def _write(connection: Connection, journey: LiveJourney, heard: Heard, workspace: Workspace) -> None:
    now = workspace.clock.now()
    begun = heard.begun.with_columns(pl.lit(journey.name).alias(entries.CAMPAIGN))
    entries.begin(connection, begun)
    entries.move(connection, heard.changed)
    known, new = heard.ended.filter(pl.col("id") >= 0), heard.ended.filter(pl.col("id") < 0)
    entries.end(connection, known)
    entries.begin_ended(connection, new.with_columns(pl.lit(journey.name).alias(entries.CAMPAIGN)))
    waiting = known["message_id"].drop_nulls().to_list()
    entry_messages.cancel(connection, waiting, reason="stop_when", now=now)
