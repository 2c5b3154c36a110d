"""Addresses, and whole domains, that nothing may be sent to: on one channel or all, of one topic or all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.store.engine import insert_rows, table
from automation.store.tables import Consent, Suppression
from automation.types.address import domain_of, normalise

_suppression, _consent = table(Suppression), table(Consent)

EVERY = ""
"""As channel or topic: all of them."""
OWN = frozenset({"unsubscribed", "withdrawn"})
"""Reasons that the owner of an address takes back by a newer yes; nothing but an admin lifts the others."""
REASONS: Mapping[str, str] = {
    "hard_bounce": "the address does not exist or refuses us for good",
    "complaint": "its owner called a message spam",
    "unsubscribed": "its owner unsubscribed",
    "withdrawn": "its owner withdrew consent",
    "dead_token": "the app or browser is gone",
    "manual": "put on the list by hand",
    "imported": "imported without a reason",
}
_COLUMNS = ("address", "channel", "topic", "reason", "at", "source")
Row = tuple[str, str, str, str, int, str]
"""address (normalised), channel, topic, reason, milliseconds, source."""


@dataclass(frozen=True)
class Suppressed:
    """One row of the list; `address` may be a whole domain (`@example.org`)."""

    address: str
    channel: str
    topic: str
    reason: str
    at: datetime
    source: str

    @property
    def code(self) -> str:
        """The reason code that a refused message gets."""
        if self.address.startswith("@"):
            return "suppressed_domain"
        return "unsubscribed" if self.reason in OWN else "suppressed_address"


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
    """Never send to these addresses or domains (`@example.org`) again; returns how many are new on the list."""
    fixed = (channel, topic, reason, to_millis(now), source)
    return add(connection, [(normalise(address), *fixed) for address in addresses])


def add(connection: Connection, rows: Sequence[Row], *, renew: bool = True) -> int:
    """Put rows on the list; returns how many are new.

    What is on it stays, except that what is wrong with an address outranks what its owner asked for, which a yes would
    lift; and that the owner's newer no is a newer one (`renew`).
    """
    unique = {row[:3]: row for row in reversed(rows)}
    known = {(s.address, s.channel, s.topic): s for s in _of(connection, sorted({row[0] for row in rows}))}
    insert_rows(connection, Suppression, _COLUMNS, [row for key, row in unique.items() if key not in known])
    stronger = [
        row
        for key, row in unique.items()
        if (there := known.get(key)) is not None
        and there.reason in OWN
        and (row[3] not in OWN or (renew and row[4] > to_millis(there.at)))
    ]
    if stronger:
        named = (_suppression.c[name] == sa.bindparam(f"the_{name}") for name in _COLUMNS[:3])
        told: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in _COLUMNS[3:]}
        names = [*(f"the_{name}" for name in _COLUMNS[:3]), *(f"new_{name}" for name in _COLUMNS[3:])]
        changed = sa.update(_suppression).where(*named).values(told)
        connection.execute(changed, [dict(zip(names, row, strict=True)) for row in stronger])
    return len(unique.keys() - known.keys())


def unsuppress(connection: Connection, address: str, *, channel: str, topic: str = EVERY) -> bool:
    """Take an address or domain off the list; returns whether it was on it."""
    return remove(connection, address, channel=channel, topics=[topic]) > 0


def remove(
    connection: Connection, address: str, *, channel: str | None = None, topics: Sequence[str] | None = None
) -> int:
    """Take rows of an address or domain off the list: of this channel, of these topics, or all; returns how many."""
    found = _suppression.c.address == normalise(address)
    if channel is not None:
        found &= _suppression.c.channel == channel
    if topics is not None:
        found &= _suppression.c.topic.in_(topics)
    return connection.execute(sa.delete(_suppression).where(found)).rowcount


def suppressed(
    connection: Connection, addresses: Sequence[str], channel: str, topic: str = EVERY
) -> dict[str, Suppressed]:
    """Those of the addresses that may get nothing of this topic on this channel, with the row that says so.

    Looks at the address and its domain, at rows for this channel or every one, for this topic or every one.
    """
    forms = {address: normalise(address) for address in addresses}
    wanted = {*forms.values(), *map(domain_of, forms.values())} - {""}
    rows: dict[str, Suppressed] = {}
    for row in sorted(_of(connection, sorted(wanted)), key=lambda row: row.topic, reverse=True):
        if row.channel in (channel, EVERY) and row.topic in (topic, EVERY):
            rows[row.address] = row
    found = {address: rows.get(form) or rows.get(domain_of(form)) for address, form in forms.items()}
    return {address: row for address, row in found.items() if row is not None}


def forbidden(connection: Connection, messages: Sequence[sa.Row[Any]]) -> dict[str, str]:
    """Those of the messages (rows with id, recipient, channel, topic) whose address forbids them: id → reason code.

    Recipients are normalised already; 3 µs a message.
    """
    domains = {row.recipient: domain_of(row.recipient) for row in messages}
    listed_: dict[str, list[Suppressed]] = {}
    for found in _of(connection, sorted({*domains, *domains.values()} - {""})):
        listed_.setdefault(found.address, []).append(found)
    if not listed_:
        return {}
    codes = {}
    for row in messages:
        recipient, channel, topic = row.recipient, row.channel, row.topic
        for found in (*listed_.get(recipient, ()), *listed_.get(domains[recipient], ())):
            if found.channel in (channel, EVERY) and found.topic in (topic, EVERY):
                codes[row.id] = found.code
                break
    return codes


def listed(
    connection: Connection, *, address: str | None = None, reason: str | None = None, limit: int | None = None
) -> list[Suppressed]:
    """The list, the newest first; with an address what holds for it, its domain included."""
    query = sa.select(*(_suppression.c[name] for name in _COLUMNS)).order_by(
        _suppression.c.at.desc(), _suppression.c.address
    )
    if address is not None:
        form = normalise(address)
        query = query.where(_suppression.c.address.in_([form, domain_of(form)]))
    if reason is not None:
        query = query.where(_suppression.c.reason == reason)
    return [_row(row) for row in connection.execute(query.limit(limit))]


def liftable(connection: Connection, addresses: Sequence[str]) -> set[str]:
    """Those of the addresses (normalised) with a row that a newer yes of their owner may lift."""
    return {row.address for row in _of(connection, addresses) if row.reason in OWN}


def follow(connection: Connection, words: Sequence[tuple[str, bool, int, str]], *, channel: str, topic: str) -> None:
    """What the latest word of each address (address, granted, milliseconds, source) means for the list.

    A yes takes back its owner's earlier no; one that was about every topic stays for the other topics.
    """
    add(connection, [(a, channel, topic, "withdrawn", at, source) for a, granted, at, source in words if not granted])
    granted_at = {address: at for address, granted, at, _source in words if granted}
    lifted = [
        row
        for row in _of(connection, sorted(granted_at))
        if row.reason in OWN
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
        add(connection, kept)


def _of(connection: Connection, addresses: Sequence[str]) -> list[Suppressed]:
    """Every row of these addresses (normalised), those about every topic first."""
    place = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    found = []
    for start in range(0, len(addresses), 5_000):
        part = tuple(addresses[start : start + 5_000])
        places = ", ".join([place] * len(part))
        query = f"{_SELECT} WHERE address IN ({places}) ORDER BY topic"
        found += [_row(row) for row in connection.exec_driver_sql(query, part)]
    return found


_SELECT = "SELECT address, channel, topic, reason, at, source FROM suppression"


def _row(row: Any) -> Suppressed:
    return Suppressed(row.address, row.channel, row.topic, row.reason, from_millis(row.at), row.source)
