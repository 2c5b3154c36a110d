"""A store restored from a copy: nothing is sent from it until a person confirms it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.errors import StoreError
from automation.store import pauses
from automation.store.driver import sqlite
from automation.store.engine import Store, table
from automation.store.generation import raise_generation, read_generation
from automation.store.tables import Fact, Flush, MessageStatus
from automation.types.message import MessageState
from automation.types.run import HELD_SINCE_RESTORE, RunState

_fact, _flush, _status = table(Fact), table(Flush), table(MessageStatus)
STAMP = "backup_of"
IDENTITY = "identity"
SENT_SINCE = "the store is a restored copy: this may have been sent since it was made"
_LEFT_SINCE = (MessageState.QUEUED.value, MessageState.SENDING.value)
_RUNS = 100_000


@dataclass(frozen=True)
class Evidence:
    """What is known about the store outside of it.

    flushed: the number of the last flush in the warehouse, None if it has none. generation: the number beside the data
    folder. identity: which file on which machine the store is now; None where it is not a file.
    """

    flushed: int | None = None
    generation: int = 0
    identity: str | None = None


def find_quarantine(connection: Connection, evidence: Evidence, *, now: datetime) -> str | None:
    """Why the store is quarantined, after checking; None if it isn't. A store that was never checked gets its identity
    now."""
    reason = _contradiction(connection, evidence)
    if reason is not None:
        pauses.pause(connection, pauses.RESTORED, reason=reason, now=now)
    elif evidence.identity is not None and _read(connection, IDENTITY) is None:
        _write(connection, IDENTITY, evidence.identity)
    return reason


def _contradiction(connection: Connection, evidence: Evidence) -> str | None:
    flushes, granted = read_last_flush(connection), read_generation(connection)
    if (stamp := _read(connection, STAMP)) is not None:
        return f"this store is the backup of {stamp}: what was sent since then is not in it"
    if evidence.flushed is not None and evidence.flushed > flushes:
        return f"the warehouse has flush {evidence.flushed}, this store knows of {flushes}: it is an older one"
    if evidence.generation > granted:
        behind = evidence.generation - granted
        return f"this store lacks the last {behind} commits of sending: it is an older copy, or its disk lost them"
    known = _read(connection, IDENTITY)
    if known is not None and evidence.identity is not None and not _is_same(known, evidence.identity):
        return "this store is a copy of the file that was used before, which may have sent since, or may still send"
    return None


def _is_same(known: str, now: str) -> bool:
    """Compares the file, and the machine where both are known."""
    (file, machine), (file_now, machine_now) = known.split("|"), now.split("|")
    return file == file_now and (machine == machine_now or not machine or not machine_now)


def read_last_flush(connection: Connection) -> int:
    return int(connection.execute(sa.select(sa.func.max(_flush.c.no))).scalar() or 0)


def accept_copy(connection: Connection, evidence: Evidence, *, now: datetime) -> bool:
    """Confirm this store in a person's name; returns whether it was quarantined.

    What was queued or on its way when it was copied may have been sent since: it is ambiguous, and held until somebody
    resolves it. Runs that were not planned to their end are held. Flush numbers continue above those in the warehouse,
    so that no number is used twice.
    """
    from automation.store import holds, runs

    was = find_quarantine(connection, evidence, now=now) is not None  # a person may be quicker than any daemon
    was = pauses.resume(connection, [pauses.RESTORED]) or was
    if was:
        may_have_left = sa.update(_status).where(_status.c.state.in_(_LEFT_SINCE))
        values = {"state": MessageState.AMBIGUOUS.value, "settled_at": to_millis(now), "reason": SENT_SINCE}
        connection.execute(may_have_left.values(values))
        for run in runs.find(connection, open_only=True, limit=_RUNS):
            continues_by_itself = run.state is RunState.HELD and run.audience is None
            if run.state in (RunState.CREATED, RunState.PLANNING) or continues_by_itself:
                holds.hold(connection, run.id, guard=HELD_SINCE_RESTORE, what=SENT_SINCE, now=now)
    connection.execute(sa.delete(_fact).where(_fact.c.key == STAMP))
    if evidence.flushed is not None and evidence.flushed > read_last_flush(connection):
        done = {"no": evidence.flushed, "started_at": to_millis(now), "finished_at": to_millis(now)}
        connection.execute(sa.insert(_flush).values(done))
    raise_generation(connection, max(evidence.generation, read_generation(connection)))
    if evidence.identity is not None:
        _write(connection, IDENTITY, evidence.identity)
    return was


def _read(connection: Connection, key: str) -> str | None:
    value: str | None = connection.execute(sa.select(_fact.c.value).where(_fact.c.key == key)).scalar()
    return value


def _write(connection: Connection, key: str, value: str) -> None:
    connection.execute(sa.delete(_fact).where(_fact.c.key == key))
    connection.execute(sa.insert(_fact).values(key=key, value=value))


def back_up(store: Store, target: Path, *, now: datetime) -> None:
    """Copy an embedded store while it is in use, and stamp the copy. Raises `StoreError`."""
    if store.engine.dialect.name != "sqlite":
        raise StoreError("this store is not a file; back it up with its database's own tools")
    if target.exists():
        raise StoreError(f"{target} is there already; name another file")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    source = str(store.engine.url.database)
    try:
        with (
            contextlib.closing(sqlite.connect(f"file:{source}?mode=ro", uri=True)) as live,
            contextlib.closing(sqlite.connect(part)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute(
                "INSERT INTO fact (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (STAMP, now.isoformat(timespec="seconds")),
            )
            copy.commit()
        part.replace(target)
    except sqlite.Error as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"the store can't be copied to {target}: {error}") from error
