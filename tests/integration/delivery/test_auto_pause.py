"""A campaign or channel that fails, bounces or is complained about too often is paused, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.scripted_channel import scripted, sent
from support.toy_project import CONFIG, account_of, again, deliver, outbox, start, toy_project

from automation.errors import Stopped
from automation.reporting.overview import overview
from automation.runner.outline import read_outline
from automation.store import pauses
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.store.ledger import queues
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.message import Receipt, Verdict


@pytest.fixture(autouse=True)
def _look_at_every_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automation.delivery.auto_pause.LOOK_EVERY", 0.0)


def test_a_campaign_that_fails_too_often_is_paused_until_it_is_resumed(tmp_path: Path) -> None:
    pause_when = "pause_when: {failures: 50%, of_at_least: 4}"
    config = CONFIG.replace("{folder: var/outbox}}", f"{{folder: var/outbox}}, {pause_when}}}")
    with toy_project(tmp_path, config=config) as toy:
        run_id = start(toy)
        deliver(toy, make=scripted(lambda m, _: Receipt(m.id, m.attempt, Verdict.FAILED, "550 5.7.1 blocked")))
        (paused,) = overview(toy, read_outline(toy)).paused
        assert paused.scope == "toy"
        assert paused.reason == (
            "5 of 5 messages (100.0%) failed, more than the 50.0% of pause_when; the last one: 550 5.7.1 blocked"
        )
        assert paused.resume_command == "automation resume toy"
        with pytest.raises(Stopped, match="campaign 'toy' is paused: 5 of 5"):
            again(toy, key="2")
        with toy.store.transaction() as connection:
            assert pauses.resume(connection, ["toy"])
        second = again(toy, key="2")
        deliver(toy, make=scripted(sent))
        assert account_of(toy, second).sent == 5
        assert overview(toy, read_outline(toy)).paused == []
        assert account_of(toy, run_id).failed == 5


@pytest.mark.parametrize(
    ("type_", "kind", "reason"),
    [
        ("email_complaint", None, "were called spam, more than the 10.0% of pause_when"),
        ("email_bounce", "refused", "came back, more than the 10.0% of pause_when"),
        ("sms_failed", "dead_address", "came back, more than the 10.0% of pause_when"),
        ("email_delayed", "delayed", None),
    ],
)
def test_too_many_complaints_or_bounces_pause_the_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type_: str, kind: str | None, reason: str | None
) -> None:
    config = CONFIG.replace(
        "{folder: var/outbox}}",
        "{folder: var/outbox}, pause_when: {complaints: 10%, bounces: 10%, of_at_least: 5}}",
    )
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
        reasons = [pause.reason for pause in overview(toy, read_outline(toy)).paused]
        assert len(reasons) == (reason is not None)
        assert all(reason is not None and reason in str(found) for found in reasons)


def test_a_paused_channel_sends_nothing(tmp_path: Path) -> None:
    with toy_project(tmp_path) as toy:
        run_id = start(toy)
        with toy.store.transaction() as connection:
            pauses.pause(connection, pauses.channel_scope("email"), reason="too many bounces", now=TOY_AS_OF)
            assert queues.next_due(connection) is None
        assert deliver(toy).sent == 0
        with toy.store.transaction() as connection:
            assert pauses.resume(connection, [pauses.channel_scope("email")])
        assert deliver(toy).sent == 5
        assert account_of(toy, run_id).sent == 5
