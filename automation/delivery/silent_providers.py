"""The providers that answer nothing, as `status` shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from automation.store.ledger import rate_lanes
from automation.store.statements import Connection


class SilentProvider(NamedTuple):
    """A provider that answers nothing, so that it gets nothing: since when."""

    channel: str
    provider: int
    since: datetime

    def __str__(self) -> str:
        which = " (the provider to fail over to)" if self.provider else ""
        return (
            f"channel {self.channel!r}{which} has not answered since {self.since:%Y-%m-%d %H:%M:%S} UTC; "
            "it gets no messages until it does"
        )


def silent_providers(connection: Connection) -> list[SilentProvider]:
    """The providers that answered nothing when the daemon last looked."""
    found = []
    for row in rate_lanes.read_lanes(connection).values():
        if row.silent_since:
            _, channel, number = row.name.split("|", 2)
            found.append(SilentProvider(channel, int(number), datetime.fromtimestamp(row.silent_since / 1e6, UTC)))
    return found
