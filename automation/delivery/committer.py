"""Delivers what is due: one committer, groups of 32, several groups on their way to each delivering process.

The committer alone writes to the ledger. Each tick commits the results that came back and the intents of the next
groups; a message is rendered and handed to its channel only after that commit.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl
import structlog
from sqlalchemy.engine import Connection

from automation.clock import monotonic
from automation.contracts import Suppression
from automation.contracts.answers import ask_suppression
from automation.delivery.auto_pause import AutoPause
from automation.delivery.composer import Composer
from automation.delivery.executor import GROUP, Executor
from automation.delivery.executor_host import StoreExecutorHost
from automation.delivery.in_process import InProcess
from automation.delivery.rate_control import RateControl
from automation.delivery.recovery import recorder_file, recover_all
from automation.delivery.worker_pool import Embedded
from automation.inbound import provider_reports
from automation.messages.compose import MessageDefaults
from automation.store.ledger import ambiguous, cap_slots, granting, settling, workers
from automation.store.ledger.granting import Grant
from automation.store.ledger.settling import Result
from automation.types.message import AddressKind, Receipt, Verdict
from automation.types.progress import Progress, quiet
from automation.workspace.channels import channel_of, kinds_of
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.message_defaults import message_defaults_of
from automation.workspace.suppressions import suppressions_of
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

_CHECKPOINT_EVERY = 20.0
_LONGEST_WAIT = 0.25
_SLOT_WAIT = 0.05
_OUTWAIT = 1.5
"""Seconds that a single delivery waits for time slots that don't come."""
_RESOLVE_EVERY = 60.0
_DOUBTS = 1_000
_RESOLVE_AFTER = timedelta(seconds=10)
_ASKED_AT_MOST = 10
_GATHER = 0.008
"""Seconds that a commit waits for more results, while everybody has work."""


@dataclass
class Delivery:
    """One committer's life: takes over, recovers what an earlier one left, delivers, and lands."""

    workspace: Workspace
    pinned: LaunchedCampaigns
    progress: Progress = quiet
    executor: Executor | None = None
    may_grant: Callable[[], bool] = lambda: True
    sent: int = 0
    settled: int = 0
    _stopping: bool = False
    _resolved: float = 0.0
    _asked: Counter[str] = field(default_factory=Counter)
    _results: list[Receipt] = field(default_factory=list)
    _granted: dict[str, Grant] = field(default_factory=dict)

    async def deliver_due(self, *, linger: float = 0.0, idle: Callable[[], None] = lambda: None) -> int:
        """Send until nothing more is due or `stop` is called; returns how many messages were settled.

        linger: how many seconds to stay ready for more, `idle` being called whenever the queue ran dry.
        """
        executor = self.executor or self._in_process()
        epoch = take_over(self.workspace)
        last_work = checkpointed = monotonic()
        try:
            await executor.start(StoreExecutorHost(self.workspace, epoch))
            while True:
                done = self._round(executor, epoch)
                if executor.busy or done.grants or done.refused or not (executor.capacity or self._stopping):
                    last_work = monotonic()
                elif self._is_over(done, monotonic() - last_work, linger):
                    break
                else:
                    idle()
                if monotonic() - checkpointed >= _CHECKPOINT_EVERY:
                    self.workspace.store.checkpoint()
                    checkpointed = monotonic()
                await self._wait(executor, held=done.held and monotonic() - last_work < 1)
        finally:
            await self._shut_down(executor)
        return self.settled

    def stop(self) -> None:
        """Grant nothing more; what is on its way is waited for."""
        self._stopping = True

    def _is_over(self, done: granting.Tick, idle_for: float, linger: float) -> bool:
        """Messages that only wait for their time slots are waited for: for long by who lingers, else for a moment."""
        if self._stopping:
            return True
        if done.held:
            return not linger and idle_for >= _OUTWAIT
        return idle_for >= linger

    def _round(self, executor: Executor, epoch: int) -> granting.Tick:
        self._results += executor.receipts()
        done = self._commit(executor, epoch)
        executor.hand(done.grants)
        self._resolve(executor)
        return done

    def _commit(self, executor: Executor, epoch: int) -> granting.Tick:
        """One tick: the receipts that came in, and the next groups where there is room for one."""
        receipts, now = self._results, self.workspace.clock.now()
        open_ = not self._stopping and self.may_grant()
        capacity = [free for free in executor.capacity if free.room >= GROUP] if open_ else []
        results = self._rate_control.note(receipts, self._granted, now)
        self._auto_pause.note(receipts, self._granted)
        self._auto_pause.look(now)
        done = self._tick(results, capacity, epoch)
        self._results = []
        for receipt in receipts:
            self._granted.pop(receipt.id, None)
        self._granted |= {grant.id: grant for grant in done.grants}
        self._report(receipts, done.refused)
        return done

    def _tick(self, results: Sequence[Result], capacity: Sequence[tuple[int, int]], epoch: int) -> granting.Tick:
        now = self.workspace.clock.now()
        with self.workspace.store.transaction() as connection:
            self._record_reports(connection, [result.receipt for result in results], now)
            limits = self._rate_control.begin(connection, now)
            done = granting.tick(
                connection,
                results=results,
                capacity=capacity,
                now=now,
                marketing=self._marketing,
                refuse=self._refused,
                limits=limits,
                spacing=self._spacing,
                epoch=epoch,
            )
            limits.save(connection)
        return done

    def _record_reports(self, connection: Connection, receipts: Sequence[Receipt], now: datetime) -> None:
        """In the transaction that settles the messages, and before the next grants look at the suppressions."""
        provider_reports.record_receipts(connection, receipts, self._kinds, now=now)

    @cached_property
    def _kinds(self) -> Mapping[str, AddressKind]:
        return kinds_of(self.workspace.project)

    def _resolve(self, executor: Executor) -> None:
        """Every minute, ask the channels what became of messages whose campaign says `on_ambiguous: resolve`."""
        if monotonic() - self._resolved < _RESOLVE_EVERY:
            return
        self._resolved = monotonic()
        before = self.workspace.clock.now() - _RESOLVE_AFTER
        with self.workspace.store.reading() as connection:
            doubtful = ambiguous.to_resolve(connection, before=before, limit=_DOUBTS)
            ids = [message for message in doubtful if self._asked[message] < _ASKED_AT_MOST][:GROUP]
            grants = [granting.grant_of(connection, message) for message in ids]
        if grants:
            self._asked.update(ids)
            executor.resolve(grants)

    async def _wait(self, executor: Executor, *, held: bool) -> None:
        """For results; a moment longer where everybody still has work, so that one commit takes many."""
        await executor.wait(_SLOT_WAIT if held else _LONGEST_WAIT)
        if executor.busy >= GROUP * len(executor.capacity):
            await asyncio.sleep(_GATHER)

    def _in_process(self) -> InProcess:
        return InProcess(
            self.workspace.project,
            Composer(self.message_defaults),
            lambda name, provider: channel_of(self.workspace.project, name, provider),
        )

    @cached_property
    def _rate_control(self) -> RateControl:
        return RateControl(self.workspace, self.pinned)

    @cached_property
    def _auto_pause(self) -> AutoPause:
        return AutoPause(self.workspace)

    @cached_property
    def _marketing(self) -> list[str]:
        topics = self.workspace.project.settings.topics
        return [topic for topic, kind in topics.items() if kind == "marketing"]

    def _spacing(self, connection: Connection, grants: Sequence[Grant]) -> Mapping[str, int]:
        """`caps.min_gap`, between the moments at which messages really leave."""
        gap = self.workspace.project.settings.caps.min_gap
        if gap is None:
            return {}
        return cap_slots.keep_gap(connection, grants, gap=gap, topics=self._marketing, now=self.workspace.clock.now())

    @cached_property
    def _suppressions(self) -> list[Suppression]:
        return suppressions_of(self.workspace)

    def _refused(self, grants: Sequence[Grant]) -> dict[str, str]:
        """What the suppression plugins say at the moment of sending: message → reason code."""
        if not self._suppressions:
            return {}
        people = pl.DataFrame([json.loads(grant.context)["customer"] for grant in grants], infer_schema_length=None)
        batch = people.with_columns(
            pl.Series(name, [getattr(grant, name) for grant in grants], dtype=pl.String)
            for name in ("customer_id", "channel", "address", "topic", "campaign")
        )
        now = self.workspace.clock.now()
        codes = {
            customer: code
            for suppression in reversed(self._suppressions)
            for customer, code in ask_suppression(batch, suppression, at=now, moment="send")
            .select("customer_id", "code")
            .rows()
        }
        return {grant.id: codes[grant.customer_id] for grant in grants if grant.customer_id in codes}

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
        """Also after an error: wait for what was handed over, and write down what came of everything."""
        ended = await executor.shut_down()
        self._results += executor.receipts()
        now = self.workspace.clock.now()
        with self.workspace.store.transaction() as connection:
            self._record_reports(connection, self._results, now)
            settling.settle(connection, self._results, now=now)
            workers.end(connection, ended, now=now)
        self._report(self._results, 0)
        self._results = []
        for worker_id in ended:
            recorder_file(self.workspace, worker_id).unlink(missing_ok=True)
        self.workspace.store.checkpoint()


def take_over(workspace: Workspace) -> int:
    """Become the committer: fence whoever was before, settle what they left; returns the epoch."""
    with workspace.store.transaction() as connection:
        epoch = workers.begin_epoch(connection)
    recover_all(workspace)
    return epoch


def executor_of(workspace: Workspace) -> Executor | None:
    """Spawned processes as config.yaml wants them, one a core by default; None for this process alone."""
    wanted = workspace.project.settings.workers
    count = len(os.sched_getaffinity(0)) if wanted is None else wanted
    return Embedded(workspace.project, workspace.store.secret, count) if count else None


def message_defaults(workspace: Workspace) -> MessageDefaults:
    """What every message of this project carries."""
    return message_defaults_of(workspace.project, workspace.store.secret)
