"""Settles a dead worker's messages by its flight recorder, once the process is certainly dead."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from automation.delivery import flight_recorder
from automation.delivery.flight_recorder import Recording
from automation.delivery.processes import boot_id, host, started
from automation.inbound import provider_reports
from automation.store.ledger import settling, workers
from automation.store.ledger.workers import GrantedMessage, WorkerRow
from automation.types.message import Receipt, Verdict
from automation.workspace.channels import kinds_of
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

MAY_FINISH = 1.0
"""Seconds for a worker without a committer to receive its last answers."""
_DIES_WITHIN = 5.0


def recorder_file(workspace: Workspace, worker_id: int) -> Path:
    return workspace.project.data_dir / "flight-recorders" / f"{worker_id}.log"


def take_over(workspace: Workspace) -> int:
    """Become the committer: fence the one before and settle what it left; returns the epoch."""
    with workspace.store.transaction() as connection:
        epoch = workers.begin_epoch(connection)
    recover_all(workspace)
    workspace.store.revocations.clear()
    return epoch


def recover_all(workspace: Workspace) -> int:
    """Settle the messages of every worker that did not end in order; returns how many."""
    with workspace.store.reading() as connection:
        found = workers.unfinished_workers(connection)
    settled = sum(recover(workspace, worker) for worker in found)
    with workspace.store.transaction() as connection:
        orphans = workers.orphaned_messages(connection)
        settling.settle(connection, [_ambiguous(one) for one in orphans], now=workspace.clock.now())
    return settled + len(orphans)


def recover(workspace: Workspace, worker: WorkerRow) -> int:
    """Make sure the worker is dead, then settle each of its messages by its recorder; returns how many."""
    recording = _recording(workspace, worker)
    with workspace.store.transaction() as connection:
        left = workers.granted_messages(connection, worker.id)
        receipts, untouched = conclude(left, recording)
        kinds = kinds_of(workspace.project)
        provider_reports.record_receipts(connection, receipts, kinds, now=workspace.clock.now())
        settling.settle(connection, receipts, now=workspace.clock.now())
        settling.hand_back(connection, untouched, now=workspace.clock.now())
        workers.end_workers(connection, [worker.id], now=workspace.clock.now())
    recorder_file(workspace, worker.id).unlink(missing_ok=True)
    if left:
        ambiguous = sum(receipt.verdict is Verdict.AMBIGUOUS for receipt in receipts)
        log.warning(
            "worker recovered",
            worker_id=worker.id,
            messages=len(left),
            ambiguous=ambiguous,
            returned=len(untouched),
        )
    return len(left)


def conclude(left: Sequence[GrantedMessage], recording: Recording | None) -> tuple[list[Receipt], list[Receipt]]:
    """The receipts, and the messages that never left. Without a recording every message may have arrived."""
    if recording is None:
        return [_ambiguous(one) for one in left], []
    found = [replace(recording.conclude(one.id, one.attempt, one.channel), worker_id=one.worker_id) for one in left]
    untouched = [r for r in found if r.verdict is Verdict.RETURNED and r.id not in recording.receipts]
    return [r for r in found if r not in untouched], untouched


def _ambiguous(one: GrantedMessage) -> Receipt:
    return Receipt(one.id, one.attempt, Verdict.AMBIGUOUS, _NO_RECORDER, worker_id=one.worker_id)


_NO_RECORDER = "the worker died and left no flight recorder"


def _recording(workspace: Workspace, worker: WorkerRow) -> Recording | None:
    """None if the process may be alive, or its recorder is missing or from before the machine started."""
    path = recorder_file(workspace, worker.id)
    if (worker.host, worker.boot_id) != (host(), boot_id()) or not path.exists():
        return None
    if not flight_recorder.await_lock(path, MAY_FINISH):
        if not _is_ours(worker):
            log.error("another process holds a worker's flight recorder", worker_id=worker.id, pid=worker.pid)
            return None
        os.kill(worker.pid, signal.SIGKILL)
        if not flight_recorder.await_lock(path, _DIES_WITHIN):
            return None
    return flight_recorder.read(path)


def _is_ours(worker: WorkerRow) -> bool:
    """Whether it is the process that registered as this worker, and not this process."""
    return worker.pid != os.getpid() and bool(worker.pid_started) and started(worker.pid) == worker.pid_started
