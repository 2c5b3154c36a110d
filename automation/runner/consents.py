"""Words on consent that come in: those of a topic with double opt-in wait until they are confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.config.settings import Settings
from automation.errors import ConfigurationError
from automation.runner.channels import channel_kinds
from automation.runner.people import Person, person
from automation.runner.workspace import Workspace
from automation.store import consent, double_opt_in


@dataclass(frozen=True)
class Taken:
    """How many words are new on record, and how many now wait for their confirmation."""

    recorded: int
    pending: int


def take_words(
    settings: Settings,
    connection: Connection,
    said: pl.DataFrame,
    *,
    by: str,
    now: datetime,
    confirmed: bool = False,
) -> Taken:
    """Record a batch (`consent.WORDS`): a yes to a topic with double opt-in becomes a request, unless it was confirmed
    already; a no counts at once."""
    topics = list(settings.consent.double_opt_in)
    waits = pl.col("granted") & pl.col("topic").is_in(topics) & (pl.col("address").fill_null("") != "")
    if confirmed:
        waits &= pl.lit(value=False)
    return Taken(
        consent.write(connection, said.filter(~waits), by=by, now=now),
        double_opt_in.request(connection, said.filter(waits)),
    )


def say(
    workspace: Workspace,
    wanted: str,
    *,
    granted: bool,
    channel: str,
    topics: Sequence[str],
    source: str,
    method: str,
    by: str,
    text_version: str = "",
) -> tuple[Person, int]:
    """Write down by hand what a person said: it holds for all their customer ids, and for their address.

    Returns the person and how many words are new. Raises `AutomationError` and `ConfigurationError`.
    """
    check_names(workspace, channel, topics)
    who, now = person(workspace, wanted), workspace.clock.now()
    kind = channel_kinds(workspace)[channel]
    address = next((form for form, its_kind in who.addresses.items() if its_kind == kind), "")
    versions = workspace.project.settings.consent.text_versions
    rows = [
        (
            customer,
            channel,
            topic,
            granted,
            to_millis(now),
            source,
            text_version or versions.get(topic, ""),
            method,
            address,
        )
        for customer in who.ids
        for topic in topics
    ]
    with workspace.store.transaction() as connection:
        said = pl.DataFrame(rows, schema=consent.WORDS, orient="row")
        recorded = consent.write(connection, said, by=by, now=now)
    return who, recorded


def check_names(workspace: Workspace, channel: str, topics: Sequence[str]) -> None:
    """Raises `ConfigurationError` for what config.yaml does not have; no channel at all means every one."""
    settings = workspace.project.settings
    for what, name, known in (
        ("channel", channel, settings.channels),
        *(("topic", topic, settings.topics) for topic in topics),
    ):
        if name and name not in known:
            raise ConfigurationError(f"config.yaml has no {what} {name!r}; it has: {', '.join(known) or 'none'}")
