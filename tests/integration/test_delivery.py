"""Providers that refuse, break and change over, doubts, pauses and restored stores, over the toy shop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.toy_project import CAMPAIGN, CONFIG, again, deliver, outbox, start, toy_project

from automation.clock import ManualClock
from automation.contracts import Options
from automation.daemon import clock_watch
from automation.daemon.clock_watch import ClockWatch
from automation.delivery.committer import Delivery
from automation.errors import Stopped, StoreError
from automation.inbound.flush import flush_events
from automation.reporting.doctor import diagnose
from automation.reporting.overview import overview
from automation.reporting.run_status import run_status
from automation.runner import backup as restoring
from automation.store import pauses
from automation.store.driver import sqlite
from automation.store.engine import table
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.store.ledger import ambiguous, queues
from automation.store.people import suppressions
from automation.store.tables import Message
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.run import Account
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace
from automation_email.file import FileChannel

OTHERWISE = CONFIG.replace(
    "{folder: var/outbox}}", "{folder: var/outbox}, otherwise: {using: file, options: {folder: var/other}}}"
)
Answer = Callable[[Rendered, int], Receipt | None]


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


class Scripted:
    """A channel that answers by a function; without an answer a message has no receipt."""

    kind = "email"
    Options = Options

    def __init__(self, answer: Answer, provider: int, *, hands_over: bool = True) -> None:
        self.answer = answer
        self.provider = provider
        self.hands_over = hands_over

    async def deliver(self, messages: Sequence[Rendered], hand_over: Callable[[Rendered], None]) -> Any:
        for message in messages:
            if self.hands_over:
                hand_over(message)
            receipt = self.answer(message, self.provider)
            if receipt is not None:
                yield receipt

    async def close(self) -> None: ...


def answering(monkeypatch: pytest.MonkeyPatch, answer: Answer, *, hands_over: bool = True) -> None:
    monkeypatch.setattr(
        "automation.delivery.committer.channel_of",
        lambda _project, _name, provider: Scripted(answer, provider, hands_over=hands_over),
    )


def account(toy: Workspace, run_id: int) -> Account:
    found = run_status(toy, run_id).account
    assert found.adds_up
    return found


def sent(message: Rendered, _provider: int = 0) -> Receipt:
    return Receipt(message.id, message.attempt, Verdict.SENT)


# Two providers


def test_what_the_first_provider_does_not_take_goes_to_the_other_under_the_same_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []

    def down(message: Rendered, provider: int) -> Receipt:
        seen.append((message.id, provider))
        verdict = Verdict.SENT if provider else Verdict.RETURNED
        return Receipt(message.id, message.attempt, verdict, "connection refused" if not provider else "")

    with toy_project(tmp_path, config=OTHERWISE) as toy:
        answering(monkeypatch, down, hands_over=True)
        run_id = start(toy)
        deliver(toy)
        assert account(toy, run_id) == Account(audience=6, unreachable=1, queued=5)
        deliver(toy, after=timedelta(seconds=2))
        assert account(toy, run_id) == Account(audience=6, unreachable=1, sent=5)
    firsts, seconds = seen[:5], seen[5:]
    assert {provider for _, provider in firsts} == {0}
    assert {provider for _, provider in seconds} == {1}
    assert sorted(i for i, _ in firsts) == sorted(i for i, _ in seconds)


def test_a_message_changes_over_after_two_tries_that_were_put_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def greylisted(message: Rendered, provider: int) -> Receipt:
        seen.append(provider)
        return sent(message) if provider else Receipt(message.id, message.attempt, Verdict.RETRY, "451 later")

    with toy_project(tmp_path, config=OTHERWISE) as toy:
        answering(monkeypatch, greylisted)
        run_id = start(toy)
        for _ in range(3):
            deliver(toy, after=timedelta(minutes=1))
        assert account(toy, run_id).sent == 5
    assert seen == [0] * 10 + [1] * 5


def test_a_doubt_never_changes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with toy_project(tmp_path, config=OTHERWISE) as toy:
        answering(monkeypatch, lambda message, provider: None)
        run_id = start(toy)
        deliver(toy)
        deliver(toy, after=timedelta(hours=2))
        assert account(toy, run_id) == Account(audience=6, unreachable=1, ambiguous=5)


# Doubts


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ("hold", Account(audience=6, unreachable=1, ambiguous=5)),
        ("resend", Account(audience=6, unreachable=1, sent=5)),
    ],
)
def test_a_campaign_says_what_becomes_of_doubts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wish: str, expected: Account
) -> None:
    with toy_project(tmp_path, campaign=f"{CAMPAIGN}limits: {{on_ambiguous: {wish}}}\n") as toy:
        answering(monkeypatch, lambda message, _: None if message.attempt == 1 else sent(message))
        run_id = start(toy)
        deliver(toy)
        deliver(toy, after=timedelta(minutes=1))
        assert account(toy, run_id) == expected


def test_a_channel_that_can_tell_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def resolve(_self: Any, messages: Sequence[Rendered]) -> Sequence[Receipt]:
        asked.extend(message.id for message in messages)
        verdicts = [Verdict.SENT, Verdict.RETRY, Verdict.FAILED]
        return [Receipt(m.id, m.attempt, v) for m, v in zip(messages, verdicts, strict=False)]

    for channel in (Scripted, FileChannel):  # the one that answers here, and the one that config.yaml names
        monkeypatch.setattr(channel, "resolve", resolve, raising=False)
    with toy_project(tmp_path, campaign=f"{CAMPAIGN}limits: {{on_ambiguous: resolve}}\n") as toy:
        answering(monkeypatch, lambda message, _: None)
        run_id = start(toy)
        deliver(toy)
        assert account(toy, run_id).ambiguous == 5
        assert asked == []
        assert isinstance(toy.clock, ManualClock)
        toy.clock.advance(timedelta(seconds=11))
        asyncio.run(Delivery(toy, LaunchedCampaigns(toy.project)).deliver_due(linger=0.3))
        assert account(toy, run_id) == Account(audience=6, unreachable=1, sent=1, queued=1, failed=1, ambiguous=2)
    assert len(asked) == len(set(asked)) == 5


def test_a_person_says_what_became_of_a_doubt(toy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, lambda message, _: None)
    run_id = start(toy)
    deliver(toy)
    doubts = run_status(toy, run_id).ambiguous
    assert len(doubts) == 5
    assert {doubt.reason for doubt in doubts} == {"the channel gave no receipt"}
    with toy.store.transaction() as connection:
        ambiguous.settle_by_hand(connection, doubts[0].id, sent=True, by="ana", now=TOY_AS_OF)
        ambiguous.settle_by_hand(connection, doubts[1].id, sent=False, by="ana", now=TOY_AS_OF)
        with pytest.raises(StoreError, match="is sent: nothing about it is ambiguous"):
            ambiguous.settle_by_hand(connection, doubts[0].id, sent=True, by="ana", now=TOY_AS_OF)
    assert account(toy, run_id) == Account(audience=6, unreachable=1, sent=1, queued=1, ambiguous=3)


def test_nothing_of_a_channel_that_never_says_when_it_hands_over_is_certain(
    toy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first: list[str] = []

    def silent(message: Rendered, _: int) -> Receipt | None:
        first.append(message.id)
        return sent(message) if len(first) == 1 else None

    answering(monkeypatch, silent, hands_over=False)
    run_id = start(toy)
    deliver(toy)
    assert account(toy, run_id) == Account(audience=6, unreachable=1, sent=1, ambiguous=4)


# Addresses


def test_an_address_that_the_provider_calls_dead_is_suppressed_with_the_message(
    toy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(message: Rendered, _: int) -> Receipt:
        return Receipt(message.id, message.attempt, Verdict.FAILED, "550 no such user", suppress="hard_bounce")

    answering(monkeypatch, dead)
    run_id = start(toy)
    deliver(toy)
    assert account(toy, run_id) == Account(audience=6, unreachable=1, failed=5)
    with toy.store.reading() as connection:
        found = suppressions.suppressed(connection, ["ana@example.com"], "email")
        events = inbox.read_events(connection)
    assert found["ana@example.com"].reason == "hard_bounce"
    assert {(event.type, event.fields["kind"], event.fields["source"]) for event in events} == {
        ("email_bounce", "dead_address", "provider")
    }
    assert sorted(event.customer_id for event in events) == ["c1", "c2", "c3", "c4", "c5"]


# Pauses


def test_a_campaign_that_fails_too_often_is_paused_with_the_reason_until_it_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause_when = "pause_when: {failures: 50%, of_at_least: 4}"
    config = CONFIG.replace("{folder: var/outbox}}", f"{{folder: var/outbox}}, {pause_when}}}")
    monkeypatch.setattr("automation.delivery.auto_pause.LOOK_EVERY", 0.0)
    with toy_project(tmp_path, config=config) as toy:
        answering(monkeypatch, lambda m, _: Receipt(m.id, m.attempt, Verdict.FAILED, "550 5.7.1 blocked"))
        run_id = start(toy)
        deliver(toy)
        (paused,) = overview(toy).paused
        assert paused.scope == "toy"
        assert paused.reason == (
            "5 of 5 messages (100.0%) failed, more than the 50.0% of pause_when; the last one: 550 5.7.1 blocked"
        )
        assert paused.resume_command == "automation resume toy"
        with pytest.raises(Stopped, match="campaign 'toy' is paused: 5 of 5"):
            again(toy, key="2")
        with toy.store.transaction() as connection:
            assert pauses.resume(connection, ["toy"])
        answering(monkeypatch, sent)
        second = again(toy, key="2")
        deliver(toy)
        assert account(toy, second).sent == 5
        assert overview(toy).paused == []
        assert account(toy, run_id).failed == 5


@pytest.mark.parametrize(
    ("type_", "kind", "said"),
    [
        ("email_complaint", None, "were called spam, more than the 10.0% of pause_when"),
        ("email_bounce", "refused", "came back, more than the 10.0% of pause_when"),
        ("sms_failed", "dead_address", "came back, more than the 10.0% of pause_when"),
        ("email_delayed", "delayed", None),
    ],
)
def test_complaints_and_bounces_pause_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type_: str, kind: str | None, said: str | None
) -> None:
    config = CONFIG.replace(
        "{folder: var/outbox}}",
        "{folder: var/outbox}, pause_when: {complaints: 10%, bounces: 10%, of_at_least: 5}}",
    )
    monkeypatch.setattr("automation.delivery.auto_pause.LOOK_EVERY", 0.0)
    monkeypatch.setattr("automation.store.inbox.negative_feedback.AT_ONCE", 1)  # the rest at the next look
    with toy_project(tmp_path, config=config) as toy:
        start(toy)
        deliver(toy)
        message = next(outbox(toy))["id"]
        reported = InboxEvent("1", "c1", type_, TOY_AS_OF, message, {"kind": kind})
        unknown = InboxEvent("0", "c1", type_, TOY_AS_OF, "of another")
        with toy.store.transaction() as connection:
            inbox.add_events(connection, [unknown, reported], now=TOY_AS_OF)
        again(toy, key="2")
        deliver(toy)
        reasons = [stop.reason for stop in overview(toy).paused]
        assert len(reasons) == (said is not None)
        assert all(said is not None and said in str(reason) for reason in reasons)


# Restored stores


def test_a_store_that_is_behind_its_warehouse_sends_nothing_until_somebody_says_so(toy: Workspace) -> None:
    run_id = start(toy)
    opened = InboxEvent("1", "c1", "email_open", TOY_AS_OF)
    backup = toy.project.data_dir / "backup.db"
    restoring.back_up(toy, backup)
    with toy.store.transaction() as connection:
        inbox.add_events(connection, [opened], now=TOY_AS_OF)
    warehouse = toy.warehouse()
    flush_events(toy, warehouse)
    warehouse.close()
    toy.store.close()
    for name in ("store.db-wal", "store.db-shm"):
        (toy.project.data_dir / name).unlink(missing_ok=True)
    backup.replace(toy.project.data_dir / "store.db")
    with sqlite.connect(toy.project.data_dir / "store.db") as raw:
        raw.execute("DELETE FROM fact WHERE key = 'backup_of'")  # as if it were a plain copy of the file
    with open_workspace(toy.project.root, clock=toy.clock) as restored:
        reason = restoring.look(restored)
        assert reason == "the warehouse has flush 1, this store knows of 0: it is an older one"
        assert deliver(restored).sent == 0
        assert account(restored, run_id).queued == 5
        with pytest.raises(Stopped, match="to resume: automation resume --restored"):
            again(restored, key="2")
        assert restoring.accept(restored)
        assert restoring.look(restored) is None
        assert deliver(restored).sent == 5
        with restored.store.transaction() as connection:
            inbox.add_events(connection, [opened._replace(event_id="2")], now=TOY_AS_OF)
        warehouse = restored.warehouse()
        assert flush_events(restored, warehouse) == 1  # under a number that the warehouse has not seen
        warehouse.close()


def test_a_backup_carries_a_stamp(toy: Workspace) -> None:
    target = toy.project.data_dir / "copies" / "store.db"
    restoring.back_up(toy, target)
    with pytest.raises(StoreError, match="is there already; name another file"):
        restoring.back_up(toy, target)
    toy.store.close()
    target.replace(toy.project.data_dir / "store.db")
    with open_workspace(toy.project.root, clock=toy.clock) as restored:
        assert (restoring.look(restored) or "").startswith("this store is the backup of 2026-")
        assert [check.state for check in diagnose(restored).checks if check.name == "sending"] == ["warning"]
        assert restoring.accept(restored)
        assert [check.state for check in diagnose(restored).checks if check.name == "sending"] == ["ok"]


# The clock


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=1), timedelta(days=-1)])
def test_a_clock_that_jumps_pauses_everything_until_it_is_back(toy: Workspace, jump: timedelta) -> None:
    assert isinstance(toy.clock, ManualClock)
    steady = [0.0]
    watch = ClockWatch(toy.clock, lambda: steady[0])
    run_id = start(toy)
    assert clock_watch.follow(watch, toy)
    toy.clock.advance(jump)
    assert not watch.trusts()
    assert not clock_watch.follow(watch, toy)
    (paused,) = overview(toy).paused
    minutes = abs(int(jump.total_seconds())) // 60
    assert paused.reason == f"the clock jumped {minutes:,} minutes {'ahead' if jump > timedelta(0) else 'back'}"
    assert deliver(toy).settled == 0
    assert account(toy, run_id).queued == 5  # nothing expired by the wrong clock either
    toy.clock.advance(-jump + timedelta(seconds=30))
    steady[0] += 30.0
    assert clock_watch.follow(watch, toy)
    assert deliver(toy).sent == 5


class JumpsWhileLookedAt(ManualClock):
    """Jumps an hour ahead just after it was asked for the `asked`th time."""

    asked = -1

    def now(self) -> datetime:
        at = super().now()
        self.asked -= 1
        if self.asked == 0:
            self.advance(timedelta(hours=1))
        return at


def test_a_clock_that_jumps_while_it_is_looked_at_is_not_taken_for_a_persons_word(toy: Workspace) -> None:
    clock = JumpsWhileLookedAt(toy.clock.now())
    workspace = replace(toy, clock=clock)
    watch = ClockWatch(clock, lambda: 0.0)
    clock.asked = 1
    clock_watch.follow(watch, workspace)
    assert not clock_watch.follow(watch, workspace)
    assert not clock_watch.follow(watch, workspace)
    assert [stop.reason for stop in overview(workspace).paused] == ["the clock jumped 60 minutes ahead"]


def test_a_person_may_say_that_the_clock_is_right(toy: Workspace) -> None:
    assert isinstance(toy.clock, ManualClock)
    watch = ClockWatch(toy.clock, lambda: 0.0)
    toy.clock.advance(timedelta(hours=1))
    assert not clock_watch.follow(watch, toy)
    with toy.store.transaction() as connection:
        assert pauses.resume(connection, [pauses.CLOCK])
    assert clock_watch.follow(watch, toy)
    assert watch.trusts()


# Retry-After and stops of a channel


def test_a_provider_that_asks_for_a_pause_gets_it_from_all_messages(
    toy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(message: Rendered, _: int) -> Receipt:
        return Receipt(message.id, message.attempt, Verdict.RETURNED, "429", retry_after=timedelta(minutes=10))

    answering(monkeypatch, busy)
    run_id = start(toy)
    deliver(toy)
    answering(monkeypatch, sent)
    with toy.store.transaction() as connection:
        connection.execute(sa.update(table(Message)).values(due_at=0))  # even what is due at once waits
    assert deliver(toy, after=timedelta(minutes=9)).sent == 0
    assert deliver(toy, after=timedelta(minutes=2)).sent == 5
    assert account(toy, run_id).sent == 5


def test_a_channel_that_is_paused_sends_nothing(toy: Workspace) -> None:
    run_id = start(toy)
    with toy.store.transaction() as connection:
        pauses.pause(connection, pauses.channel_scope("email"), reason="too many bounces", now=TOY_AS_OF)
        assert queues.next_due(connection) is None
    assert deliver(toy).sent == 0
    with toy.store.transaction() as connection:
        assert pauses.resume(connection, [pauses.channel_scope("email")])
    assert deliver(toy).sent == 5
    assert account(toy, run_id).sent == 5
