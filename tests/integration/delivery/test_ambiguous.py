"""Messages that were handed over and got no receipt: what the campaign, the channel or a person decides about them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.scripted_channel import scripted, sent
from support.toy_project import CAMPAIGN, CONFIG, account_of, deliver, start, toy_project

from automation.errors import StoreError
from automation.reporting.run_status import run_status
from automation.store.ledger import ambiguous
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.message import Receipt, Rendered
from automation.types.run import Account
from automation.workspace.workspace import Workspace

RESOLVING = '''
"""Hands over everything and reports nothing; asked later, it knows of one sent, one deferred and one failed message."""

from automation.hookspecs import hookimpl
from automation.types.message import Receipt, Verdict
from automation_email.file import FileChannel, FileOptions


class Resolving(FileChannel):
    Options = FileOptions

    async def deliver(self, messages, hand_over):
        for message in messages:
            hand_over(message)
        return
        yield

    async def resolve(self, messages):
        self.options.folder.mkdir(exist_ok=True)
        with (self.options.folder / "asked.txt").open("a") as file:
            file.writelines(f"{message.id}\\n" for message in messages)
        verdicts = [Verdict.SENT, Verdict.RETRY, Verdict.FAILED]
        return [Receipt(m.id, m.attempt, verdict) for m, verdict in zip(messages, verdicts)]


@hookimpl
def register_channels(register):
    register("resolving", Resolving)
'''


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


@pytest.mark.parametrize(
    ("on_ambiguous", "expected"),
    [
        ("hold", Account(audience=6, unreachable=1, ambiguous=5)),
        ("resend", Account(audience=6, unreachable=1, sent=5)),
    ],
)
def test_the_campaign_decides_whether_an_ambiguous_message_is_sent_again(
    tmp_path: Path, on_ambiguous: str, expected: Account
) -> None:
    make = scripted(lambda message, _: None if message.attempt == 1 else sent(message))
    with toy_project(tmp_path, campaign=f"{CAMPAIGN}limits: {{on_ambiguous: {on_ambiguous}}}\n") as toy:
        run_id = start(toy)
        deliver(toy, make=make)
        deliver(toy, make=make, after=timedelta(minutes=1))
        assert account_of(toy, run_id) == expected


def test_a_channel_that_can_resolve_ambiguous_messages_is_asked_once(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "resolving.py").write_text(RESOLVING)
    config = CONFIG.replace("email: {using: file,", "email: {using: resolving,")
    asked = tmp_path / "var/outbox/asked.txt"
    with toy_project(tmp_path, config=config, campaign=f"{CAMPAIGN}limits: {{on_ambiguous: resolve}}\n") as toy:
        run_id = start(toy)
        deliver(toy)
        assert account_of(toy, run_id).ambiguous == 5
        assert not asked.exists()  # an answer may still come
        deliver(toy, after=timedelta(seconds=11))
        assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=1, queued=1, failed=1, ambiguous=2)
    ids = asked.read_text().splitlines()
    assert len(ids) == len(set(ids)) == 5


def test_a_person_settles_an_ambiguous_message(toy: Workspace) -> None:
    run_id = start(toy)
    deliver(toy, make=scripted(lambda message, _: None))
    found = run_status(toy, run_id).ambiguous
    assert len(found) == 5
    assert {message.reason for message in found} == {"the channel gave no receipt"}
    with toy.store.transaction() as connection:
        ambiguous.settle_by_hand(connection, found[0].id, sent=True, by="ana", now=TOY_AS_OF)
        ambiguous.settle_by_hand(connection, found[1].id, sent=False, by="ana", now=TOY_AS_OF)
        with pytest.raises(StoreError, match="is sent: nothing about it is ambiguous"):
            ambiguous.settle_by_hand(connection, found[0].id, sent=True, by="ana", now=TOY_AS_OF)
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=1, queued=1, ambiguous=3)


def test_a_channel_that_sends_without_hand_over_leaves_its_other_messages_ambiguous(toy: Workspace) -> None:
    first: list[str] = []

    def silent(message: Rendered, _: int) -> Receipt | None:
        first.append(message.id)
        return sent(message) if len(first) == 1 else None

    run_id = start(toy)
    deliver(toy, make=scripted(silent, hands_over=False))
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=1, ambiguous=4)
