"""Delivers what is due: one committer, groups of 32, several groups on their way to each delivering process.

The committer alone writes to the ledger. Each tick commits the results that came back and the grants of the next
groups; a message is rendered and handed to its channel only after that commit.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl
from sqlalchemy.engine import Connection

from automation.clock import monotonic
from automation.contracts import Suppression
from automation.delivery.auto_pause import AutoPause
from automation.delivery.bulkheads import Bulkheads
from automation.delivery.composer import Composer
from automation.delivery.executor import GROUP, Executor
from automation.delivery.executor_host import StoreExecutorHost
from automation.delivery.granting import Granting, SendPolicy, WorkerLoad
from automation.delivery.in_process import InProcessExecutor
from automation.delivery.rate_control import RateControl
from automation.delivery.recovery import recorder_file, take_over
from automation.delivery.suppression_answers import SuppressionAnswers, ask_suppressions
from automation.delivery.tick import Tick, check_epoch, find_candidates, run_tick
from automation.delivery.worker_pool import WorkerPool
from automation.inbound import provider_reports
from automation.messages.compose import MessageDefaults
from automation.revocations import everything_key
from automation.store.generation import GenerationFile, advance_generation, generation_file
from automation.store.ledger import ambiguous, queues, rate_lanes, settling, workers
from automation.store.ledger.grants import grant_of
from automation.store.ledger.settling import Result
from automation.store.write_ahead_log import Checkpoints
from automation.types.message import AddressKind, Receipt, Verdict
from automation.types.progress import Progress, quiet
from automation.workspace.channels import channel_of, concurrency_of, kinds_of
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.message_defaults import message_defaults_of
from automation.workspace.suppressions import suppressions_of
from automation.workspace.workspace import Workspace

_LONGEST_WAIT = 0.25
_SLOT_WAIT = 0.05
_SLOTS_WITHIN = 1.5
"""Seconds that a delivery without `linger` waits for time slots that don't come."""
_RESOLVE_EVERY = 60.0
_AMBIGUOUS_AT_ONCE = 1_000
_RESOLVE_AFTER = timedelta(seconds=10)
_ASKED_AT_MOST = 10
PATIENCE = 60.0
"""Seconds that a delivery that ends waits for providers' answers."""
_GATHER = 0.008
"""Seconds that a commit waits for more results while every worker is busy."""


@dataclass
class Delivery:
    """One committer's life: takes over, recovers what an earlier one left, delivers, and shuts down.

    may_grant: asked before each commit whether messages may be granted. checkpoints: of a process that delivers often.
    """

    workspace: Workspace
    pinned: LaunchedCampaigns
    progress: Progress = quiet
    executor: Executor | None = None
    may_grant: Callable[[], bool] = lambda: True
    checkpoints: Checkpoints | None = None
    sent: int = 0
    settled: int = 0
    _stopping: bool = False
    _end_by: float = math.inf
    _resolved: float = 0.0
    _asked: Counter[str] = field(default_factory=Counter)
    _results: list[Receipt] = field(default_factory=list)

    async def deliver_due(self, *, linger: float = 0.0, idle: Callable[[], None] = lambda: None) -> int:
        """Send until nothing more is due or `stop` is called; returns how many messages were settled.

        linger: seconds to stay ready for more messages. idle: called whenever nothing is due.
        """
        executor = self.executor or self._in_process()
        epoch = take_over(self.workspace)
        self._read_runs()
        checkpoints = self.checkpoints or Checkpoints(self.workspace.store, self.workspace.clock)
        last_work = monotonic()
        try:
            await executor.start(StoreExecutorHost(self.workspace, epoch))
            while True:
                done = self._round(executor, epoch)
                if monotonic() >= self._end_by:
                    break
                has_room = bool(executor.ready) or self._stopping
                if executor.busy or done.grants or done.refused or done.deferred or not has_room:
                    last_work = monotonic()
                elif self._is_over(done, monotonic() - last_work, linger):
                    break
                else:
                    idle()
                checkpoints.start_if_due()
                await self._wait(executor, for_slots=done.waiting and monotonic() - last_work < 1)
        finally:
            await self._shut_down(executor)
            checkpoints.finish()
        return self.settled

    def stop(self, *, grace: float = PATIENCE) -> None:
        """Grant nothing more, and take back what was not handed over; the delivery ends once the rest has an answer.

        grace: seconds after which what a provider has not answered counts as ambiguous.
        """
        self._stopping = True
        self._end_by = min(self._end_by, monotonic() + grace)
        self._withdraw_all()

    def _withdraw_all(self) -> None:
        with suppress(OSError):  # a full disk: what waits in the workers is sent before the end
            self.workspace.store.revocations.append([everything_key()])

    def _is_over(self, done: Tick, idle_for: float, linger: float) -> bool:
        """Messages that only wait for time slots keep a lingering delivery alive, and any other for a moment."""
        if self._stopping:
            return True
        if done.waiting:
            return not linger and idle_for >= _SLOTS_WITHIN
        return idle_for >= linger

    def _round(self, executor: Executor, epoch: int) -> Tick:
        self._results += executor.receipts()
        since = self.workspace.store.revocations.end()
        done = self._commit(executor, epoch)
        executor.hand(done.grants, since)
        if done.unknown_runs:
            self._read_runs(done.unknown_runs)
        self._resolve(executor)
        return done

    def _read_runs(self, run_ids: Collection[int] | None = None) -> None:
        """Learn the campaigns and rates of runs (None: of all with queued messages), outside any transaction that
        writes, since launched files are parsed for it."""
        with self.workspace.store.reading() as connection:
            wanted = {queue.run_id for queue, _ in queues.first_due_times(connection)} if run_ids is None else run_ids
            self._rate_control.read_runs(connection, wanted)

    def _commit(self, executor: Executor, epoch: int) -> Tick:
        """One tick: the receipts that arrived, and the next groups for providers with room for one."""
        receipts, now = self._results, self.workspace.clock.now()
        may_grant = not self._stopping and self.may_grant()
        results = self._rate_control.note(receipts, now)
        self._auto_pause.note(receipts, self._bulkheads)
        self._auto_pause.look(now)
        self._bulkheads.note(receipts, monotonic())
        self._bulkheads.keep(executor.alive, monotonic())
        self._bulkheads.workers = max(1, len(executor.ready))
        workers = [WorkerLoad(one, self._bulkheads.loads(one)) for one in executor.ready] if may_grant else []
        done = self._tick(results, workers, epoch)
        self._results = []
        self._bulkheads.add(done.grants, monotonic())
        self._report(receipts, done.refused)
        return done

    def _tick(self, results: Sequence[Result], workers: Sequence[WorkerLoad], epoch: int) -> Tick:
        now = self.workspace.clock.now()
        answers = self._ask_suppressions(now) if workers else None
        with self.workspace.store.transaction() as connection:
            check_epoch(connection, epoch)
            self._record_reports(connection, [result.receipt for result in results], now)
            limits = self._rate_control.limits(rate_lanes.read_lanes(connection), now)
            self._rate_control.adapt(limits)
            done = run_tick(connection, results, workers, now=now, policy=self._policy, limits=limits, answers=answers)
            rate_lanes.write_lanes(connection, limits.changed())
            number = advance_generation(connection) if done.grants else 0
        if number:
            self._generation.write(number)
        return done

    def _ask_suppressions(self, now: datetime) -> SuppressionAnswers | None:
        """Ask the plugins about the messages that the next tick may grant, before its transaction."""
        if not self._suppressions:
            return None
        with self.workspace.store.reading() as connection:
            limits = self._rate_control.limits(rate_lanes.read_lanes(connection), now)
            candidates = find_candidates(connection, limits, now=now)
        granting = Granting(self._policy, now)
        grants = [candidate.grant for candidate in candidates if granting.may_be_asked(candidate)]
        return ask_suppressions(self._suppressions, grants, at=now)

    def _record_reports(self, connection: Connection, receipts: Sequence[Receipt], now: datetime) -> None:
        """In the transaction that settles the messages, and before the next grants look at the suppressions."""
        provider_reports.record_receipts(connection, receipts, self._kinds, now=now)

    @cached_property
    def _kinds(self) -> Mapping[str, AddressKind]:
        return kinds_of(self.workspace.project)

    def _resolve(self, executor: Executor) -> None:
        """Every minute, ask the channels about ambiguous messages whose campaign says `on_ambiguous: resolve`."""
        if monotonic() - self._resolved < _RESOLVE_EVERY:
            return
        self._resolved = monotonic()
        before = self.workspace.clock.now() - _RESOLVE_AFTER
        with self.workspace.store.reading() as connection:
            found = ambiguous.find_resolvable(connection, before=before, limit=_AMBIGUOUS_AT_ONCE)
            ids = [message for message in found if self._asked[message] < _ASKED_AT_MOST][:GROUP]
            grants = [grant_of(connection, message) for message in ids]
        if grants:
            self._asked.update(ids)
            executor.resolve(grants)

    async def _wait(self, executor: Executor, *, for_slots: bool) -> None:
        """For results; a moment longer while every worker is busy, so that one commit takes many."""
        await executor.wait(_SLOT_WAIT if for_slots else _LONGEST_WAIT)
        if executor.busy >= GROUP * len(executor.ready):
            await asyncio.sleep(_GATHER)

    def _in_process(self) -> InProcessExecutor:
        return InProcessExecutor(
            self.workspace.project,
            Composer(self.message_defaults),
            lambda name, provider: channel_of(self.workspace.project, name, provider),
            self.workspace.store.revocations.reader(),
        )

    @cached_property
    def _rate_control(self) -> RateControl:
        return RateControl(self.workspace, self.pinned, self._bulkheads)

    @cached_property
    def _bulkheads(self) -> Bulkheads:
        return Bulkheads(lambda provider: concurrency_of(self.workspace.project, *provider))

    @cached_property
    def _auto_pause(self) -> AutoPause:
        return AutoPause(self.workspace)

    @cached_property
    def _generation(self) -> GenerationFile:
        return generation_file(self.workspace.store)

    @cached_property
    def _policy(self) -> SendPolicy:
        settings = self.workspace.project.settings
        marketing = frozenset(topic for topic, kind in settings.topics.items() if kind == "marketing")
        return SendPolicy(marketing, settings.shop.timezone, settings.caps.min_gap, settings.consent.tracking)

    @cached_property
    def _suppressions(self) -> list[Suppression]:
        return suppressions_of(self.workspace)

    @cached_property
    def message_defaults(self) -> MessageDefaults:
        return message_defaults(self.workspace)

    def _report(self, receipts: Sequence[Receipt], refused: int) -> None:
        self.settled += len(receipts) + refused
        self.sent += sum(receipt.verdict is Verdict.SENT for receipt in receipts)
        self.progress("sending", self.settled, self.settled)
        if receipts:
            rows = [(r.id, r.verdict.value, r.detail) for r in receipts]
            frame = pl.DataFrame(rows, schema=["message_id", "verdict", "detail"], orient="row")
            self.workspace.project.registry.observe("messages_sent", receipts=frame)

    async def _shut_down(self, executor: Executor) -> None:
        """Also after an error: wait for everything on its way, and write down the results."""
        self._withdraw_all()
        ended = await executor.shut_down(max(0.0, min(self._end_by - monotonic(), PATIENCE)))
        self._results += executor.receipts()
        now = self.workspace.clock.now()
        with self.workspace.store.transaction() as connection:
            self._record_reports(connection, self._results, now)
            settling.settle(connection, [Result(receipt) for receipt in self._results], now=now)
            workers.end_workers(connection, ended, now=now)
        self._report(self._results, 0)
        self._results = []
        self._generation.close()
        for worker_id in ended:
            recorder_file(self.workspace, worker_id).unlink(missing_ok=True)


def make_executor(workspace: Workspace) -> Executor | None:
    """Spawned processes as config.yaml says, one a core by default; None to deliver in this process."""
    configured = workspace.project.settings.workers
    count = len(os.sched_getaffinity(0)) if configured is None else configured
    store = workspace.store
    return WorkerPool(workspace.project, store.secret, store.revocations.path, count) if count else None


def message_defaults(workspace: Workspace) -> MessageDefaults:
    """What every message of this project carries."""
    return message_defaults_of(workspace.project, workspace.store.secret)
