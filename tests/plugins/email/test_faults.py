"""Every fault of the table, over real connections: the verdicts, and what the server really has.

All of them run at once in one event loop, so that their silences are waited for together.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.certificates import certificate, server_tls
from support.fault_table import Case, cases
from support.faulty_smtp import Fault, FaultyServer, Received, faulty_server

from automation.testing.channel import example_messages, record_delivery
from automation.types.message import Attachment, Receipt, Rendered, Verdict
from automation.types.secret import Secret
from automation_email.options import SmtpOptions
from automation_email.smtp import SmtpChannel

PEOPLE = ("ana", "bo", "cy")
MESSAGES = [
    replace(one, id=f"{who}-{one.id}", to=f"{who}@example.org", bounce_token=who)
    for who, one in zip(PEOPLE, example_messages("x@example.org"), strict=True)
]
LARGE = (Attachment("catalogue.pdf", "application/pdf", bytes(6_000_000)),)
"""More than the buffers of both sides take, so that it can't all have left when the server stops reading."""
TABLE = [(case, mode) for case in cases() for mode in case.modes]
AT_ONCE = {False: 24, True: 3}
"""Of the small and of the large ones, which keep the event loop busy while others wait."""


@dataclass(frozen=True)
class Outcome:
    """What the channel said, and what the server has, by recipient."""

    receipts: dict[str, Receipt]
    handed_over: list[str]
    received: list[Received]

    def of(self, who: str) -> list[Received]:
        return [one for one in self.received if one.to == who]


def channel(server: FaultyServer, **options: object) -> SmtpChannel:
    given = {
        "host": "localhost", "port": server.port, "tls": "none", "connections": 1, "timeout": 2, "response_timeout": 2,
        "local_hostname": "shop.example", "return_path": "b+{token}@shop.example",
    }  # fmt: skip
    return SmtpChannel(SmtpOptions.model_validate(given | options))


async def tried(server: FaultyServer, messages: list[Rendered], **options: object) -> Outcome:
    smtp = channel(server, **options)
    answers, handed_over = await record_delivery(smtp, messages)
    await smtp.close()
    by_id = {message.id: message.bounce_token for message in messages}
    return Outcome(
        {by_id[answer.id]: answer for answer in answers}, [by_id[one] for one in handed_over], list(server.received)
    )


async def run(case: Case, mode: str, folder: Path) -> Outcome:
    messages = [replace(m, attachments=LARGE) if case.large and m.bounce_token == "bo" else m for m in MESSAGES]
    extensions = case.extensions + (("PIPELINING",) if mode == "pipelined" else ())
    options = dict(case.options)
    if options.get("tls"):
        options = {"ca_file": folder / "cert.pem"} | options
    if options.get("username"):
        options |= {"password": Secret("s3cret")}
    async with faulty_server(case.fault, extensions=extensions, tls=server_tls(folder)) as server:
        return await tried(server, messages, **options)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Outcome | Exception]:
    folder = certificate(tmp_path_factory.mktemp("tls"))
    room = {large: asyncio.Semaphore(count) for large, count in AT_ONCE.items()}
    found: dict[tuple[str, str], Outcome | Exception] = {}

    async def one(case: Case, mode: str) -> None:
        async with room[case.large]:
            try:
                found[case.name, mode] = await asyncio.wait_for(run(case, mode, folder), 30)
            except Exception as error:
                found[case.name, mode] = error

    async def everything() -> None:
        for large in AT_ONCE:
            await asyncio.gather(*(one(case, mode) for case, mode in TABLE if case.large is large))

    asyncio.run(everything())
    return found


def test_the_fault_table_is_long_enough() -> None:
    names = [case.name for case in cases()]
    assert len(set(names)) == len(names) >= 60
    assert {case.bo for case in cases()} == set(Verdict) - {Verdict.WITHDRAWN}  # which is the core's own


@pytest.mark.slow
@pytest.mark.parametrize(("case", "mode"), [pytest.param(c, m, id=f"{c.name} ({m})") for c, m in TABLE])
def test_fault(case: Case, mode: str, outcomes: dict[tuple[str, str], Outcome | Exception]) -> None:
    outcome = outcomes[case.name, mode]
    assert isinstance(outcome, Outcome), repr(outcome)
    wanted = {"ana": case.ana, "bo": case.bo, "cy": case.cy}
    if mode == "pipelined" and case.cy_pipelined:
        wanted["cy"] = case.cy_pipelined
    assert {who: receipt.verdict for who, receipt in outcome.receipts.items()} == wanted, outcome.receipts
    assert outcome.receipts["bo"].suppress == case.suppress
    for who, verdict in wanted.items():
        check_truth(outcome, who, verdict, whole=case.whole)
    for receipt in outcome.receipts.values():
        assert "@" not in receipt.detail.replace("<address>", "")
        assert len(receipt.detail) <= 200


def check_truth(outcome: Outcome, who: str, verdict: Verdict, *, whole: bool) -> None:
    """What was said of the message is so, by what the server has."""
    received = outcome.of(who)
    accepted = [one for one in received if one.accepted]
    assert all(one.size > 100 for one in accepted), "an empty message was delivered"
    assert outcome.handed_over.count(who) <= 1
    if verdict is Verdict.SENT:
        assert len(accepted) == 1
    elif verdict is Verdict.AMBIGUOUS:
        assert [one.whole for one in received] == [whole]
        assert not any(one.refused for one in received), "it was refused, which is definite"
        assert not accepted, "it was accepted, which is definite"
    else:
        assert not accepted
    if verdict in (Verdict.SENT, Verdict.AMBIGUOUS):
        assert who in outcome.handed_over
    if verdict is Verdict.RETURNED:
        assert who not in outcome.handed_over


def test_too_many_connections() -> None:
    """Two are greeted, the other four told to go: the two send everything."""

    async def scenario() -> None:
        messages = [replace(MESSAGES[0], id=f"m-{n}", bounce_token=f"m{n}") for n in range(40)]
        async with faulty_server(None, extensions=("PIPELINING",), most=2) as server:
            outcome = await tried(server, messages, connections=6)
        assert {receipt.verdict for receipt in outcome.receipts.values()} == {Verdict.SENT}
        assert len(outcome.received) == 40
        assert server.connections <= 6

    asyncio.run(scenario())


def test_not_one_connection() -> None:
    async def scenario() -> None:
        async with faulty_server(None, most=0) as server:
            outcome = await tried(server, MESSAGES, connections=3)
        assert {receipt.verdict for receipt in outcome.receipts.values()} == {Verdict.RETURNED}
        assert outcome.receipts["bo"].detail == "not handed over: 421 4.7.0 too many connections"
        assert server.connections == 3

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "fault",
    [
        Fault("RCPT", b"503 5.5.1 one at a time\r\n"),
        Fault("RCPT", then="stall"),
        Fault("RCPT", then="close"),
    ],
    ids=["503", "stall", "close"],
)
def test_pipelining_is_offered_and_not_understood(fault: Fault) -> None:
    """The first group on a connection fails: from then on commands go one by one."""

    async def scenario() -> None:
        async with faulty_server(None, extensions=("PIPELINING",), to_groups=fault) as server:
            outcome = await tried(server, MESSAGES)
        assert {receipt.verdict for receipt in outcome.receipts.values()} == {Verdict.SENT}
        assert len(outcome.received) == 3

    asyncio.run(scenario())


def test_a_server_that_hangs_up_after_each_message_costs_no_attempt() -> None:
    async def scenario() -> None:
        messages = [replace(MESSAGES[0], id=f"m-{n}", bounce_token="bo") for n in range(6)]
        closing = Fault("DOT", b"250 2.0.0 ok\r\n", "close")
        async with faulty_server(closing, extensions=("PIPELINING",)) as server:
            smtp = channel(server)
            answers, _ = await record_delivery(smtp, messages)
            await smtp.close()
        assert [answer.verdict for answer in answers] == [Verdict.SENT] * 6
        assert server.connections == 6

    asyncio.run(scenario())


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
def test_nothing_arrives_that_could_not_be_written_down(extensions: tuple[str, ...]) -> None:
    """Where `hand_over` fails, as on a full disk, the message stays here, and whoever delivers is told."""

    def full(message: Rendered) -> None:
        raise OSError("No space left on device")

    async def deliver(smtp: SmtpChannel) -> None:
        async for _ in smtp.deliver(MESSAGES, full):
            pass

    async def scenario() -> None:
        async with faulty_server(None, extensions=extensions) as server:
            smtp = channel(server, connections=2)
            with pytest.raises(OSError, match="No space left"):
                await deliver(smtp)
            await smtp.close()
        assert not any(one.whole for one in server.received)

    asyncio.run(scenario())
