"""The suppression list: addresses and domains that get nothing, on one channel or all, of one topic or all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.revocations import address_key
from automation.store.engine import insert_rows, table
from automation.store.statements import note_revoked
from automation.store.tables import Consent, Suppression
from automation.types.address import domain_of, normalise

_suppression, _consent = table(Suppression), table(Consent)

EVERY = ""
"""As channel or topic: all of them."""
OWNER_REASONS = frozenset({"unsubscribed", "withdrawn", "refused"})
"""Reasons that a newer grant by the owner of the address lifts; only an admin lifts the others."""
REASONS: Mapping[str, str] = {
    "hard_bounce": "the address does not exist or permanently rejects our messages",
    "complaint": "its owner reported a message as spam",
    "unsubscribed": "its owner unsubscribed",
    "withdrawn": "its owner withdrew consent",
    "refused": "its owner refused consent and never gave it",
    "dead_token": "the app was uninstalled or the browser removed its subscription",
    "manual": "added by hand",
    "imported": "imported without a reason",
}
_COLUMNS = ("address", "channel", "topic", "reason", "at", "source")
Row = tuple[str, str, str, str, int, str]
"""address (normalised), channel, topic, reason, milliseconds, source."""


@dataclass(frozen=True)
class SuppressionRow:
    """One row of the list; `address` may be a whole domain (`@example.org`)."""

    address: str
    channel: str
    topic: str
    reason: str
    at: datetime
    source: str

    @property
    def code(self) -> str:
        """The reason code of a message that it stops."""
        if self.address.startswith("@"):
            return "suppressed_domain"
        if self.reason == "refused":
            return "consent_refused"
        return "unsubscribed" if self.reason in OWNER_REASONS else "suppressed_address"


def suppress(
    connection: Connection,
    addresses: Iterable[str],
    *,
    channel: str,
    reason: str,
    source: str,
    now: datetime,
    topic: str = EVERY,
) -> int:
    """Put addresses or domains (`@example.org`) on the list; returns how many are new."""
    fixed = (channel, topic, reason, to_millis(now), source)
    return add_rows(connection, [(normalise(address), *fixed) for address in addresses])


def add_rows(connection: Connection, rows: Sequence[Row], *, renew: bool = True) -> int:
    """Put rows on the list; returns how many are new.

    An existing row stays, with three exceptions: a fault of the address (a hard bounce) replaces a reason of its
    owner's, which a grant would lift; a newer withdrawal by the owner replaces the time of an older one (`renew`); and
    a refusal becomes a withdrawal when an older consent turns up.
    """
    unique = {row[:3]: row for row in reversed(rows)}
    known = {(s.address, s.channel, s.topic): s for s in _of(connection, sorted({row[0] for row in rows}))}
    new = [row for key, row in unique.items() if key not in known]
    insert_rows(connection, Suppression, _COLUMNS, new)
    note_revoked(connection, [address_key(row[0]) for row in new])
    stronger = [
        row
        for key, row in unique.items()
        if (there := known.get(key)) is not None
        and there.reason in OWNER_REASONS
        and (
            row[3] not in OWNER_REASONS
            or (renew and row[4] > to_millis(there.at))
            or (there.reason, row[3]) == ("refused", "withdrawn")
        )
    ]
    if stronger:
        named = (_suppression.c[name] == sa.bindparam(f"the_{name}") for name in _COLUMNS[:3])
        values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in _COLUMNS[3:]}
        names = [*(f"the_{name}" for name in _COLUMNS[:3]), *(f"new_{name}" for name in _COLUMNS[3:])]
        changed = sa.update(_suppression).where(*named).values(values)
        connection.execute(changed, [dict(zip(names, row, strict=True)) for row in stronger])
    return len(new)


def unsuppress(connection: Connection, address: str, *, channel: str, topic: str = EVERY) -> bool:
    """Remove an address or domain from the list; returns whether it was on it."""
    return remove(connection, address, channel=channel, topics=[topic]) > 0


def remove(
    connection: Connection, address: str, *, channel: str | None = None, topics: Sequence[str] | None = None
) -> int:
    """Remove an address or domain from the list: on this channel, of these topics, or all; returns how many rows."""
    matching = _suppression.c.address == normalise(address)
    if channel is not None:
        matching &= _suppression.c.channel == channel
    if topics is not None:
        matching &= _suppression.c.topic.in_(topics)
    return connection.execute(sa.delete(_suppression).where(matching)).rowcount


def suppressed(
    connection: Connection, addresses: Sequence[str], channel: str, topic: str = EVERY
) -> dict[str, SuppressionRow]:
    """Those of the addresses that may get nothing of this topic on this channel, with the row that says so."""
    forms = {address: normalise(address) for address in addresses}
    listed_ = read_suppressions(connection, forms.values())
    found = {address: listed_.row(form, channel, topic) for address, form in forms.items()}
    return {address: row for address, row in found.items() if row is not None}


class SuppressionList:
    """The rows of some addresses and of their domains.

    An address's own row outranks its domain's, and a row about every topic one about a single topic.
    """

    def __init__(self, rows: Sequence[SuppressionRow]) -> None:
        self.rows = rows
        self._scopes: dict[tuple[str, str], dict[str, SuppressionRow]] = {}

    def row(self, recipient: str, channel: str, topic: str) -> SuppressionRow | None:
        """The row that stops messages of this topic on this channel to an address (normalised)."""
        scope = self._scope(channel, topic)
        return scope.get(recipient) or scope.get(domain_of(recipient))

    def code(self, recipient: str, channel: str, topic: str) -> str | None:
        """The reason code of `row`."""
        row = self.row(recipient, channel, topic)
        return None if row is None else row.code

    def _scope(self, channel: str, topic: str) -> dict[str, SuppressionRow]:
        """The first row of each address that is about this channel and topic."""
        if (channel, topic) not in self._scopes:
            found: dict[str, SuppressionRow] = {}
            for row in self.rows:
                if row.channel in (channel, EVERY) and row.topic in (topic, EVERY):
                    found.setdefault(row.address, row)
            self._scopes[channel, topic] = found
        return self._scopes[channel, topic]


def read_suppressions(connection: Connection, recipients: Iterable[str]) -> SuppressionList:
    """What is on the list of these addresses (normalised) and their domains; 3 µs an address."""
    forms = set(recipients)
    return SuppressionList(_of(connection, sorted({*forms, *map(domain_of, forms)} - {""})))


def list_rows(
    connection: Connection, *, address: str | None = None, reason: str | None = None, limit: int | None = None
) -> list[SuppressionRow]:
    """The list, the newest first; with an address, the rows of it and of its domain."""
    query = sa.select(*(_suppression.c[name] for name in _COLUMNS)).order_by(
        _suppression.c.at.desc(), _suppression.c.address
    )
    if address is not None:
        form = normalise(address)
        query = query.where(_suppression.c.address.in_([form, domain_of(form)]))
    if reason is not None:
        query = query.where(_suppression.c.reason == reason)
    return [_row(row) for row in connection.execute(query.limit(limit))]


def liftable_addresses(connection: Connection, addresses: Sequence[str]) -> set[str]:
    """The addresses (normalised) with a row that a newer grant by their owner may lift."""
    return {row.address for row in _of(connection, addresses) if row.reason in OWNER_REASONS}


def apply_latest_consents(
    connection: Connection, latest: Sequence[tuple[str, bool, int, str, int]], *, channel: str, topic: str
) -> None:
    """Bring the list in line with the latest record of each address.

    latest: address, granted, milliseconds, source, whether consent was ever given.

    A grant lifts its owner's earlier withdrawal; one that was for every topic stays for the other topics.
    """
    refused = [
        (a, channel, topic, "withdrawn" if agreed else "refused", at, source)
        for a, granted, at, source, agreed in latest
        if not granted
    ]
    add_rows(connection, refused)
    granted_at = {address: at for address, granted, at, *_ in latest if granted}
    lifted = [
        row
        for row in _of(connection, sorted(granted_at))
        if row.reason in OWNER_REASONS
        and row.channel == channel
        and row.topic in (topic, EVERY)
        and to_millis(row.at) <= granted_at[row.address]
    ]
    if not lifted:
        return
    named = (_suppression.c[name] == sa.bindparam(f"the_{name}") for name in _COLUMNS[:3])
    keys = [{"the_address": row.address, "the_channel": row.channel, "the_topic": row.topic} for row in lifted]
    connection.execute(sa.delete(_suppression).where(*named), keys)
    if topic != EVERY:
        others = set(connection.execute(sa.select(_consent.c.topic).distinct()).scalars()) - {topic}
        everything = [row for row in lifted if row.topic == EVERY]
        kept = [
            (r.address, channel, o, r.reason, to_millis(r.at), r.source) for r in everything for o in sorted(others)
        ]
        add_rows(connection, kept)


def _of(connection: Connection, addresses: Sequence[str]) -> list[SuppressionRow]:
    """Every row of these addresses (normalised), those about every topic first."""
    placeholder = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    found = []
    for start in range(0, len(addresses), 5_000):
        part = tuple(addresses[start : start + 5_000])
        places = ", ".join([placeholder] * len(part))
        query = f"{_SELECT} WHERE address IN ({places}) ORDER BY topic, channel"
        found += [_row(row) for row in connection.exec_driver_sql(query, part)]
    return found


_SELECT = "SELECT address, channel, topic, reason, at, source FROM suppression"


def _row(row: Any) -> SuppressionRow:
    return SuppressionRow(row.address, row.channel, row.topic, row.reason, from_millis(row.at), row.source)
