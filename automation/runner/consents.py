"""Words on consent that come in: those of a topic with double opt-in wait until they are confirmed."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from sqlalchemy.engine import Connection

from automation.runner.workspace import Workspace
from automation.store import consent, double_opt_in


@dataclass(frozen=True)
class Taken:
    """How many words are new on record, and how many now wait for their confirmation."""

    recorded: int
    pending: int


def take_words(
    workspace: Workspace, connection: Connection, said: pl.DataFrame, *, by: str, confirmed: bool = False
) -> Taken:
    """Record a batch (`consent.WORDS`): a yes to a topic with double opt-in becomes a request, unless it was confirmed
    already; a no counts at once."""
    topics = list(workspace.project.settings.consent.double_opt_in)
    waits = pl.col("granted") & pl.col("topic").is_in(topics) & (pl.col("address").fill_null("") != "")
    if confirmed:
        waits &= pl.lit(value=False)
    now = workspace.clock.now()
    return Taken(
        consent.write(connection, said.filter(~waits), by=by, now=now),
        double_opt_in.request(connection, said.filter(waits)),
    )
