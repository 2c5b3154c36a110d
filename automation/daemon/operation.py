"""Whether what was launched really runs: the daemon, its scheduler, and the runs that wait for a person."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from automation.daemon.health import Beat, Health, read_health
from automation.reporting.check import Check
from automation.store import launches, pauses, runs
from automation.store.ledger import queues
from automation.store.log_size import KeptLog, log_size
from automation.store.pauses import Pause
from automation.store.runs import RunRow
from automation.types.plural import format_count

if TYPE_CHECKING:
    from automation.workspace.opened import OpenedByStatements
from automation.workspace.shop_format import UNKNOWN_SHOP, ShopFormat, shop_format

LATE = timedelta(minutes=5)
_LARGE_LOG = 256_000_000
_SWEEPS = 180.0
"""Seconds; the scheduler looks at every campaign once a minute."""


@dataclass(frozen=True)
class Operation:
    """launched: the campaigns that should run, without the stopped ones. due: whether a message should leave now.

    log_size: of the store's write-ahead log, in bytes.
    """

    health: Health
    launched: Sequence[str]
    stops: Sequence[Pause]
    held: Sequence[RunRow]
    due: bool
    log_size: int
    now: datetime
    shop: ShopFormat = UNKNOWN_SHOP

    def checks(self) -> list[Check]:
        """The daemon, its scheduler, and held runs; an error is what keeps launched campaigns from running."""
        return [self.daemon(), self.scheduler(), self.write_ahead_log(), *self._held()]

    def daemon(self) -> Check:
        state, beat = self.health, self.health.beat
        if not state.alive:
            waiting = self._waiting()
            if waiting:
                return Check("daemon", "error", f"no daemon is running for {waiting}; start it: automation daemon")
        elif beat is not None and not state.responding:
            return Check("daemon", "error", f"{state.describe(self.shop)}; look into logs/daemon.jsonl, and restart it")
        elif beat is not None and beat.ended:
            what = (
                f"parts of the daemon have ended: {', '.join(beat.ended)}; look into logs/daemon.jsonl, and restart it"
            )
            return Check("daemon", "error", what)
        return Check("daemon", "ok", state.describe(self.shop))

    def scheduler(self) -> Check:
        beat = self.health.beat
        if beat is None or not self.health.responding:
            return Check("scheduler", "ok", "not running")
        if beat.scheduler_silent > _SWEEPS:
            silent = format_count(round(beat.scheduler_silent / 60), "minute")
            what = f"it last looked for due campaigns {silent} ago; restart the daemon"
            return Check("scheduler", "error", what)
        due = due_times(beat)
        late = sorted(name for name, at in due.items() if name in self.launched and self.now - at > LATE)
        if late:
            return Check("scheduler", "error", f"due and not started: {', '.join(late)}; restart the daemon")
        following = min(due.items(), key=lambda item: item[1], default=None)
        return Check("scheduler", "ok", _describe_next(following, self.shop))

    def write_ahead_log(self) -> Check:
        """Its size, and since when who keeps it from shrinking."""
        size, kept = f"{self.log_size / 1e6:,.0f} MB", self._kept_log()
        if kept is not None:
            since = self.shop.time(kept.since)
            what = f"{size}, and growing since {since}: {kept.describe()}; end it. Sending goes on meanwhile"
            return Check("write-ahead log", "warning", what)
        if self.log_size >= _LARGE_LOG:
            return Check("write-ahead log", "warning", f"{size}; a running daemon moves it into the store")
        return Check("write-ahead log", "ok", size)

    def _kept_log(self) -> KeptLog | None:
        return self.health.beat.kept_log if self.health.responding and self.health.beat is not None else None

    def to_json(self) -> dict[str, object]:
        """Without names and texts, since `/health` needs no login."""
        found = self.checks()
        beat, kept = self.health.beat if self.health.responding else None, self._kept_log()
        return {
            "daemon": "running" if self.health.responding else "silent" if self.health.alive else "not running",
            "scheduler_looked_seconds_ago": None if beat is None else round(beat.scheduler_silent),
            "next_due": None if beat is None else min(due_times(beat).values(), default=None),
            "launched": len(self.launched),
            "stops": len(self.stops),
            "held_runs": len(self.held),
            "log_bytes": self.log_size,
            "log_kept_since": kept and kept.since,
            "log_kept_by": [reader.pid for reader in kept.readers] if kept else [],
            "problems": sorted(
                {check.name for check in found if check.state != "ok"} | ({"sending"} if self.stops else set())
            ),
        }

    def _waiting(self) -> str:
        parts = [format_count(len(self.launched), "launched campaign")] if self.launched else []
        return " and ".join([*parts, *(["messages that are due"] if self.due else [])])

    def _held(self) -> list[Check]:
        return [
            Check("held runs", "warning", f"run {run.id} of {run.campaign}: {(run.hold or {}).get('what')}; "
                  f"to send it anyway: automation release {run.id}")
            for run in self.held
        ]  # fmt: skip


def read_operation(opened: OpenedByStatements, shop: ShopFormat | None = None) -> Operation:
    """How it stands now. shop: how to write for its people; by default as config.yaml has it."""
    now = opened.clock.now()
    with opened.store.reading() as connection:
        launched = launches.current_launches(connection)
        stops = pauses.current_pauses(connection)
        held = [run for run in runs.find(connection, open_only=True, limit=1_000) if run.hold is not None]
        due = queues.next_due(connection)
    scopes = {pause.scope for pause in stops}
    return Operation(
        health=read_health(opened.data_dir, now),
        launched=_running(launched, scopes),
        stops=stops,
        held=held,
        due=due is not None and due <= now,
        log_size=log_size(opened.store),
        now=now,
        shop=shop or shop_format(opened),
    )


def due_times(beat: Beat) -> Mapping[str, datetime]:
    """When the scheduler will start each campaign."""
    return {name: datetime.fromisoformat(at) for name, at in beat.next_due.items()}


def _running(launched: Collection[str], stopped: Collection[str]) -> list[str]:
    return [] if pauses.GLOBAL_SCOPES.intersection(stopped) else sorted(set(launched) - set(stopped))


def _describe_next(following: tuple[str, datetime] | None, shop: ShopFormat) -> str:
    return "no campaign has a due time" if following is None else f"next: {following[0]} at {shop.time(following[1])}"
