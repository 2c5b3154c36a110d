"""What is stopped or paused: campaigns, channels or everything, by a person or by the daemon itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.revocations import campaign_key, channel_key, everything_key
from automation.store import tables
from automation.store.engine import note_revoked, table

_pause = table(tables.Pause)

EVERYTHING = "*"
RESTORED = "because:restored"
"""The store is older than the warehouse, or is a backup."""
CLOCK = "because:clock"
"""The clock jumped."""
GLOBAL_SCOPES = frozenset({EVERYTHING, RESTORED, CLOCK})
DAEMON = "automation"
"""Who paused it, where the daemon did."""
_FLAGS = {EVERYTHING: "--all", RESTORED: "--restored", CLOCK: "--clock"}


def channel_scope(channel: str) -> str:
    return f"channel:{channel}"


@dataclass(frozen=True)
class Pause:
    """One stop or pause. `reason` is "" where a person stopped it."""

    scope: str
    at: datetime
    by: str
    reason: str

    def __str__(self) -> str:
        """A sentence: what is stopped or paused, by whom or why, and how to resume it."""
        verdict = f"is paused: {self.reason}" if self.reason else f"was stopped by {self.by}"
        return f"{self.subject} {verdict}; to resume: {self.resume_command}"

    @property
    def subject(self) -> str:
        """What is paused, in words."""
        if self.scope in GLOBAL_SCOPES:
            return "everything"
        channel = self._channel
        return f"channel {channel!r}" if channel else f"campaign {self.scope!r}"

    @property
    def resume_command(self) -> str:
        channel = self._channel
        return f"automation resume {_FLAGS.get(self.scope, f'--channel {channel}' if channel else self.scope)}"

    @property
    def _channel(self) -> str:
        kind, _, name = self.scope.partition(":")
        return name if kind == "channel" else ""


@dataclass(frozen=True)
class PausedScopes:
    """Every scope that is stopped or paused now."""

    scopes: frozenset[str]

    @property
    def everything(self) -> bool:
        return bool(self.scopes & GLOBAL_SCOPES)

    def include(self, *, campaign: str, channel: str) -> bool:
        """Whether this campaign may send nothing on this channel."""
        return self.everything or campaign in self.scopes or channel_scope(channel) in self.scopes


def paused_scopes(connection: Connection) -> PausedScopes:
    return PausedScopes(frozenset(connection.execute(sa.select(_pause.c.scope)).scalars()))


def current_pauses(connection: Connection) -> list[Pause]:
    """Everything that is stopped or paused, the oldest first."""
    rows = connection.execute(sa.select(_pause).order_by(_pause.c.at, _pause.c.scope))
    return [Pause(row.scope, from_millis(row.at), row.by, row.reason) for row in rows]


def stop(connection: Connection, scope: str, *, by: str, now: datetime) -> None:
    """Stop a scope in a person's name; replaces a pause that the daemon made."""
    resume(connection, [scope])
    connection.execute(sa.insert(_pause).values(scope=scope, at=to_millis(now), by=by, reason=""))
    note_revoked(connection, [_key(scope)])


def pause(connection: Connection, scope: str, *, reason: str, now: datetime) -> bool:
    """Pause a scope with a reason, unless it is stopped or paused already; returns whether that is new."""
    if connection.execute(sa.select(_pause.c.scope).where(_pause.c.scope == scope)).first() is not None:
        return False
    connection.execute(sa.insert(_pause).values(scope=scope, at=to_millis(now), by=DAEMON, reason=reason))
    note_revoked(connection, [_key(scope)])
    return True


def _key(scope: str) -> str:
    """What a stop or a pause takes back."""
    if scope in GLOBAL_SCOPES:
        return everything_key()
    kind, _, name = scope.partition(":")
    return channel_key(name) if kind == "channel" else campaign_key(scope)


def resume(connection: Connection, scopes: Collection[str]) -> bool:
    """End the stops and pauses of these scopes; returns whether there was one."""
    return connection.execute(sa.delete(_pause).where(_pause.c.scope.in_(scopes))).rowcount > 0
