"""Providers that refuse a message: the second provider, the next attempt, dead addresses and Retry-After."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.scripted_channel import scripted, sent
from support.toy_project import CONFIG, account_of, deliver, start, toy_project

from automation.store.engine import table
from automation.store.inbox import inbox
from automation.store.people import suppressions
from automation.store.tables import MessageStatus
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.run import Account
from automation.workspace.workspace import Workspace

TWO_PROVIDERS = CONFIG.replace(
    "{folder: var/outbox}}", "{folder: var/outbox}, otherwise: {using: file, options: {folder: var/other}}}"
)


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


def test_a_message_that_the_first_provider_returns_goes_to_the_second_under_the_same_id(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def down(message: Rendered, provider: int) -> Receipt:
        seen.append((message.id, provider))
        verdict = Verdict.SENT if provider else Verdict.RETURNED
        return Receipt(message.id, message.attempt, verdict, "connection refused" if not provider else "")

    with toy_project(tmp_path, config=TWO_PROVIDERS) as toy:
        run_id = start(toy)
        deliver(toy, make=scripted(down))
        assert account_of(toy, run_id) == Account(audience=6, unreachable=1, queued=5)
        deliver(toy, make=scripted(down), after=timedelta(seconds=2))
        assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=5)
    firsts, seconds = seen[:5], seen[5:]
    assert {provider for _, provider in firsts} == {0}
    assert {provider for _, provider in seconds} == {1}
    assert sorted(i for i, _ in firsts) == sorted(i for i, _ in seconds)


def test_a_message_goes_to_the_second_provider_after_two_deferred_attempts(tmp_path: Path) -> None:
    seen: list[int] = []

    def greylisted(message: Rendered, provider: int) -> Receipt:
        seen.append(provider)
        return sent(message) if provider else Receipt(message.id, message.attempt, Verdict.RETRY, "451 later")

    with toy_project(tmp_path, config=TWO_PROVIDERS) as toy:
        run_id = start(toy)
        for _ in range(3):
            deliver(toy, make=scripted(greylisted), after=timedelta(minutes=1))
        assert account_of(toy, run_id).sent == 5
    assert seen == [0] * 10 + [1] * 5


def test_an_ambiguous_message_never_goes_to_the_second_provider(tmp_path: Path) -> None:
    seen: list[int] = []

    def silent(_message: Rendered, provider: int) -> None:
        seen.append(provider)

    with toy_project(tmp_path, config=TWO_PROVIDERS) as toy:
        run_id = start(toy)
        deliver(toy, make=scripted(silent))
        deliver(toy, make=scripted(silent), after=timedelta(hours=2))
        assert account_of(toy, run_id) == Account(audience=6, unreachable=1, ambiguous=5)
    assert seen == [0] * 5


def test_a_dead_address_is_suppressed_with_the_result_of_its_message(toy: Workspace) -> None:
    def dead(message: Rendered, _: int) -> Receipt:
        return Receipt(message.id, message.attempt, Verdict.FAILED, "550 no such user", suppress="hard_bounce")

    run_id = start(toy)
    deliver(toy, make=scripted(dead))
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, failed=5)
    with toy.store.reading() as connection:
        found = suppressions.suppressed(connection, ["ana@example.com"], "email")
        events = inbox.read_events(connection)
    assert found["ana@example.com"].reason == "hard_bounce"
    assert {(event.type, event.fields["kind"], event.fields["source"]) for event in events} == {
        ("email_bounce", "dead_address", "provider")
    }
    assert sorted(event.customer_id for event in events) == ["c1", "c2", "c3", "c4", "c5"]


def test_a_provider_s_retry_after_delays_every_message(toy: Workspace) -> None:
    def busy(message: Rendered, _: int) -> Receipt:
        return Receipt(message.id, message.attempt, Verdict.RETURNED, "429", retry_after=timedelta(minutes=10))

    run_id = start(toy)
    deliver(toy, make=scripted(busy))
    with toy.store.transaction() as connection:
        connection.execute(sa.update(table(MessageStatus)).values(due_at=0))  # even what is due at once waits
    assert deliver(toy, make=scripted(sent), after=timedelta(minutes=9)).sent == 0
    assert deliver(toy, make=scripted(sent), after=timedelta(minutes=2)).sent == 5
    assert account_of(toy, run_id).sent == 5
