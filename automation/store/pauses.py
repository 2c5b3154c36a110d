"""What may not leave: campaigns, channels or everything, stopped by a person or paused by the daemon itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.store.engine import table
from automation.store.ledger.queues import Queue
from automation.store.tables import Control, Run

_control, _run = table(Control), table(Run)

EVERYTHING = "*"
RESTORED = "because:restored"
"""The store is an older one than the warehouse knows, or a backup."""
CLOCK = "because:clock"
"""The clock jumped."""
FOR_ALL = frozenset({EVERYTHING, RESTORED, CLOCK})
BY_ITSELF = "automation"


def channel_scope(channel: str) -> str:
    return f"channel:{channel}"


@dataclass(frozen=True)
class Pause:
    """One stop or pause; `reason` is "" where a person stopped it."""

    scope: str
    at: datetime
    by: str
    reason: str

    @property
    def what(self) -> str:
        """In words."""
        if self.scope in FOR_ALL:
            return "everything"
        kind, _, name = self.scope.partition(":")
        return f"the channel {name}" if kind == "channel" and name else self.scope

    @property
    def command(self) -> str:
        """What lets it go on."""
        flags = {EVERYTHING: "--all", RESTORED: "--restored", CLOCK: "--clock"}
        kind, _, name = self.scope.partition(":")
        channel = f"--channel {name}" if kind == "channel" and name else self.scope
        return f"automation resume {flags.get(self.scope, channel)}"


@dataclass
class Stopped:
    """Every scope that is stopped now."""

    scopes: frozenset[str]
    _campaigns: dict[int, str] = field(default_factory=dict)

    @property
    def everything(self) -> bool:
        return bool(self.scopes & FOR_ALL)

    def holds(self, connection: Connection, queue: Queue) -> bool:
        """Whether nothing of this queue may leave."""
        if not self.scopes:
            return False
        if channel_scope(queue.channel) in self.scopes:
            return True
        if queue.run_id not in self._campaigns:
            query = sa.select(_run.c.campaign).where(_run.c.id == queue.run_id)
            self._campaigns[queue.run_id] = connection.execute(query).scalar() or ""
        return self._campaigns[queue.run_id] in self.scopes


def stopped(connection: Connection) -> Stopped:
    return Stopped(frozenset(connection.execute(sa.select(_control.c.scope)).scalars()))


def every(connection: Connection) -> list[Pause]:
    """Everything that is stopped or paused, the oldest first."""
    rows = connection.execute(sa.select(_control).order_by(_control.c.stopped_at, _control.c.scope))
    return [Pause(row.scope, from_millis(row.stopped_at), row.stopped_by, row.reason) for row in rows]


def pause(connection: Connection, scope: str, *, reason: str, now: datetime, by: str = BY_ITSELF) -> bool:
    """Pause it with a reason, unless it is stopped already; returns whether that is new."""
    if connection.execute(sa.select(_control.c.scope).where(_control.c.scope == scope)).first() is not None:
        return False
    row: Mapping[str, object] = {"scope": scope, "stopped_at": to_millis(now), "stopped_by": by, "reason": reason}
    connection.execute(sa.insert(_control).values(row))
    return True


def lift(connection: Connection, scopes: Iterable[str]) -> bool:
    """Let these go on; returns whether any was stopped."""
    return connection.execute(sa.delete(_control).where(_control.c.scope.in_(list(scopes)))).rowcount > 0
