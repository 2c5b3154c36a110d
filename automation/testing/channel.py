"""The contract test for channels: `check_channel(lambda: MyChannel(options), to="ana@example.org")`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from automation.contracts import Channel, Withdrawn
from automation.contracts.answers import check_receipt
from automation.testing.promises import check_light_import, check_options, keep
from automation.types.message import KINDS, Receipt, Rendered, Verdict

_ADDRESSES = {"email": "ana@example.org", "phone": "+4940123456", "push": "device-token-1", "customer": "C1042"}
_MAY_ARRIVE = (Verdict.SENT, Verdict.AMBIGUOUS)
_FORGED = "x\r\nBcc: victim@example.org"


def check_channel(make: Callable[[], Channel], *, to: str | None = None, verdict: Verdict = Verdict.SENT) -> None:
    """Assert the contract of `automation.contracts.Channel`.

    make: returns a new channel each time, connected to a target that gives messages for `to` the verdict `verdict`.

    Checked: options are frozen and strict; the module imports nothing heavy; one receipt for each message, in any
    order, with its id and attempt, a short detail without the address, `retry_after` only for RETRY and RETURNED, and
    `suppress` only for FAILED; each message that arrived was handed over before its receipt, once an attempt, and no
    other message was; a message whose hand-over raises `Withdrawn` does not arrive, and the others get their receipts;
    no messages give no receipts; a second attempt gets a receipt again; a line break in the address or in a header (for
    e-mail also in the subject and the sender) gives FAILED; `close` may be called twice, and before the first delivery.
    Raises AssertionError with the rule that is broken.
    """
    channel = make()
    assert channel.kind in KINDS, f"kind must be one of {', '.join(KINDS)}, is {channel.kind!r}"
    check_options(type(channel))
    check_light_import(type(channel))
    asyncio.run(_check_delivery(make, example_messages(to or _ADDRESSES[channel.kind]), verdict))
    asyncio.run(_check_withdrawn(make, example_messages(to or _ADDRESSES[channel.kind]), verdict))
    asyncio.run(_check_hostile(make, to or _ADDRESSES[channel.kind]))


def example_messages(to: str, count: int = 3) -> list[Rendered]:
    """Small, valid messages with different ids, for any channel."""
    return [
        Rendered(
            id=f"{number:032x}",
            attempt=1,
            channel="example",
            to=to,
            sent_at=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
            subject="Grüße aus Malmö",
            text=f"Hello number {number}\n.\n",
            html=f"<p>Hello number {number} – äöü</p>",
            sender="Lindholm & Daughters <hello@lindholm.example>",
            language="en",
            headers={"List-Unsubscribe": "<https://lindholm.example/u/1>"},
        )
        for number in range(1, count + 1)
    ]


async def collect_receipts(channel: Channel, messages: Sequence[Rendered]) -> list[Receipt]:
    """Deliver messages and return the receipts as a list."""
    return (await record_delivery(channel, messages))[0]


async def record_delivery(channel: Channel, messages: Sequence[Rendered]) -> tuple[list[Receipt], list[str]]:
    """Deliver messages; returns the receipts, and the ids of the messages in the order of their hand-over.

    Raises AssertionError for a receipt SENT or AMBIGUOUS of a message that was not handed over before.
    """
    handed_over: list[str] = []
    receipts: list[Receipt] = []
    async for receipt in channel.deliver(messages, lambda message: handed_over.append(message.id)):
        assert receipt.verdict not in _MAY_ARRIVE or receipt.id in handed_over, (
            f"hand_over(message) must be called before a message may arrive; it was not called for {receipt.id}"
        )
        receipts.append(receipt)
    return receipts, handed_over


async def _check_delivery(make: Callable[[], Channel], messages: list[Rendered], verdict: Verdict) -> None:
    unused = make()
    await unused.close()
    channel = make()
    who = f"channel {type(channel).__name__}"
    assert await collect_receipts(channel, []) == [], "no messages must give no receipts"
    for attempt in (1, 2):
        again = [replace(message, attempt=attempt) for message in messages]
        receipts, handed_over = await record_delivery(channel, again)
        wanted = sorted((message.id, attempt) for message in messages)
        found = sorted((receipt.id, receipt.attempt) for receipt in receipts)
        assert found == wanted, (
            f"one receipt for each message, with its id and attempt: expected {wanted}, found {found}"
        )
        for receipt in receipts:
            assert receipt.verdict is verdict, f"expected {verdict.value}, found {receipt.verdict} ({receipt.detail})"
            keep(check_receipt, receipt, who, to=messages[0].to)
        assert len(handed_over) == len(set(handed_over)), "a message was handed over twice in one attempt"
        assert set(handed_over) <= {message.id for message in messages}, "a message was handed over that was not given"
    await channel.close()
    await channel.close()


async def _check_withdrawn(make: Callable[[], Channel], messages: list[Rendered], verdict: Verdict) -> None:
    channel = make()
    taken_back = messages[1].id

    def hand_over(message: Rendered) -> None:
        if message.id == taken_back:
            raise Withdrawn

    receipts = {receipt.id: receipt.verdict async for receipt in channel.deliver(messages, hand_over)}
    await channel.close()
    left = receipts.pop(taken_back, None) in _MAY_ARRIVE
    assert not left, "a message whose hand-over raises Withdrawn must not arrive"
    wanted = {message.id: verdict for message in messages if message.id != taken_back}
    assert receipts == wanted, f"a withdrawn message must not change the others: expected {wanted}, found {receipts}"


async def _check_hostile(make: Callable[[], Channel], to: str) -> None:
    channel = make()
    for what, message in _hostile(channel.kind, to):
        receipts = await collect_receipts(channel, [message])
        assert [receipt.verdict for receipt in receipts] == [Verdict.FAILED], (
            f"{what} must give FAILED, found {receipts}"
        )
        keep(check_receipt, receipts[0], f"channel {type(channel).__name__}", to=to)
    await channel.close()


def _hostile(kind: str, to: str) -> Iterator[tuple[str, Rendered]]:
    message = example_messages(to, 1)[0]
    yield "a line break in the address", replace(message, to=f"{to}\r\nBcc: victim@example.org")
    yield "a line break in a header's value", replace(message, headers={"X-Campaign": _FORGED})
    if kind == "email":
        yield "a line break in the subject", replace(message, subject=_FORGED)
        yield "a line break in a header's name", replace(message, headers={_FORGED: "x"})
        yield "a header of the core's own", replace(message, headers={"Bcc": "victim@example.org"})
        yield "a line break in the sender", replace(message, sender=f'"{_FORGED}" <a@example.org>')
        yield "a second address", replace(message, to=f"{to}, victim@example.org")
        yield "no address", replace(message, to="nobody")
