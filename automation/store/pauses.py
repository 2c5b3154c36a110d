"""What is stopped or paused: campaigns, channels or everything, by a person or by the daemon itself."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are ours)

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from automation.clock import from_millis, to_millis
from automation.revocations import campaign_key, channel_key, everything_key
from automation.store.statements import Connection, execute, note_revoked, places, read_column, read_value

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
    return PausedScopes(frozenset(read_column(connection, "SELECT scope FROM pause")))


def current_pauses(connection: Connection) -> list[Pause]:
    """Everything that is stopped or paused, the oldest first."""
    rows = execute(connection, 'SELECT scope, at, "by", reason FROM pause ORDER BY at, scope')
    return [Pause(scope, from_millis(at), by, reason) for scope, at, by, reason in rows]


def stop(connection: Connection, scope: str, *, by: str, now: datetime) -> None:
    """Stop a scope in a person's name; replaces a pause that the daemon made."""
    resume(connection, [scope])
    execute(connection, _INSERT, scope, to_millis(now), by, "")
    note_revoked(connection, [_key(scope)])


def pause(connection: Connection, scope: str, *, reason: str, now: datetime) -> bool:
    """Pause a scope with a reason, unless it is stopped or paused already; returns whether that is new."""
    if read_value(connection, "SELECT 1 FROM pause WHERE scope = ?", scope) is not None:
        return False
    execute(connection, _INSERT, scope, to_millis(now), DAEMON, reason)
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
    wanted = list(scopes)
    return execute(connection, f"DELETE FROM pause WHERE scope IN ({places(wanted)})", *wanted).rowcount > 0


_INSERT = 'INSERT INTO pause (scope, at, "by", reason) VALUES (?, ?, ?, ?)'
