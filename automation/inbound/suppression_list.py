"""The suppression list, as people edit it by hand."""

from __future__ import annotations

from collections.abc import Sequence

from automation.errors import ConfigurationError
from automation.inbound.consents import check_names
from automation.store.people import suppressions
from automation.workspace.opened import Opened


def add_suppressions(
    opened: Opened, addresses: Sequence[str], *, channel: str, topics: Sequence[str], reason: str, source: str
) -> int:
    """Put addresses or domains (`@example.org`) on the list; returns how many rows are new.

    channel: "" for every one. topics: none for all. Raises `ConfigurationError` for a name that config.yaml does not
    have, and for an unknown reason.
    """
    if reason not in suppressions.REASONS:
        raise ConfigurationError(f"{reason!r} is not a reason; use one of {', '.join(suppressions.REASONS)}")
    check_names(opened, channel, topics)
    now = opened.clock.now()
    with opened.store.transaction() as connection:
        return sum(
            suppressions.suppress(
                connection, addresses, channel=channel, topic=topic, reason=reason, source=source, now=now
            )
            for topic in topics or [suppressions.EVERY]
        )


def remove_suppressions(opened: Opened, addresses: Sequence[str], *, channel: str | None, topics: Sequence[str]) -> int:
    """Take addresses or domains off the list; returns how many rows were removed. channel, topics: none for all."""
    with opened.store.transaction() as connection:
        return sum(
            suppressions.remove(connection, address, channel=channel, topics=topics or None) for address in addresses
        )
