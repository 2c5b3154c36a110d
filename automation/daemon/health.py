"""Whether the daemon is alive and what it is doing: its heartbeat file, and how to read it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from automation.daemon.lock import find_lock_holder
from automation.store.log_size import KeptLog
from automation.workspace.shop_format import UNKNOWN_SHOP, ShopFormat

FILE = "daemon.json"
BEAT = timedelta(seconds=2)
_SILENT = timedelta(seconds=30)


@dataclass(frozen=True)
class Beat:
    """The daemon's last heartbeat. `doing`: starting, running, stopping or stopped."""

    pid: int
    started_at: datetime
    at: datetime
    doing: str
    sent: int = 0
    planning: int | None = None  # the run whose audience is being planned
    invalid: tuple[str, ...] = ()  # problems of the files as they are now
    not_launched: tuple[str, ...] = ()  # why valid campaigns were not launched, under `launch: on_merge`
    next_due: dict[str, str] = field(default_factory=dict)
    scheduler_silent: float = 0.0  # seconds since the scheduler last looked at every campaign
    ended: tuple[str, ...] = ()  # parts that ended although the daemon goes on
    kept_log: KeptLog | None = None  # the store's write-ahead log, where readers keep it from shrinking

    def write(self, data_dir: Path) -> None:
        """Replace the file in one step, so that a reader never sees half of it."""
        text = json.dumps(asdict(self), default=lambda at: at.isoformat())
        part = data_dir / f"{FILE}.part"
        part.write_text(text)
        part.replace(data_dir / FILE)


@dataclass(frozen=True)
class Health:
    """The daemon as seen from outside; `beat` is its last heartbeat, also after its end."""

    alive: bool
    responding: bool
    pid: int | None
    beat: Beat | None

    def to_json(self) -> dict[str, object]:
        return {
            "alive": self.alive,
            "responding": self.responding,
            "pid": self.pid,
            "last_beat": asdict(self.beat) if self.beat else None,
        }

    def describe(self, shop: ShopFormat = UNKNOWN_SHOP) -> str:
        if self.alive and self.beat is not None:
            since = f"process {self.pid}, since {shop.time(self.beat.started_at)}"
            doing = f", planning run {self.beat.planning}" if self.beat.planning else ""
            silent = "" if self.responding else f"; it last reported at {shop.time(self.beat.at)}"
            return f"daemon: alive ({since}{doing}; {self.beat.sent:,} sent){silent}"
        if self.alive:
            return f"a process is working on this project ({self.pid})"
        return "daemon: not running; start it: automation daemon"


def read_health(data_dir: Path, now: datetime) -> Health:
    """Whether a process holds the project's lock, and the last heartbeat."""
    pid = find_lock_holder(data_dir)
    beat = _read(data_dir / FILE)
    mine = beat if pid is not None and beat is not None and beat.pid == pid else None
    responding = mine is not None and now - mine.at < _SILENT
    return Health(pid is not None, responding, pid, mine if pid is not None else beat)


def _read(file: Path) -> Beat | None:
    try:
        found = json.loads(file.read_text())
        times = {name: datetime.fromisoformat(found[name]) for name in ("started_at", "at")}
        lists = {name: tuple(found.get(name, ())) for name in ("invalid", "not_launched", "ended")}
        kept = found.get("kept_log")
        return Beat(**{**found, **times, **lists, "kept_log": kept and KeptLog.of_record(kept)})
    except (OSError, ValueError, KeyError, TypeError):
        return None
