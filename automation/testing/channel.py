"""What every channel must do, as one call: `check_channel(lambda: Mine(Mine.Options(...)), to="ana@example.org")`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from automation.contracts import Channel
from automation.testing.recommender import HEAVY
from automation.types.message import KINDS, Receipt, Rendered, Verdict

_ADDRESSES = {"email": "ana@example.org", "phone": "+4940123456", "push": "device-token-1", "customer": "C1042"}
SUPPRESS = ("", "hard_bounce", "complaint", "unsubscribed", "dead_token")
_MAY_ARRIVE = (Verdict.SENT, Verdict.AMBIGUOUS)
_FORGED = "x\r\nBcc: victim@example.org"


def check_channel(make: Callable[[], Channel], *, to: str | None = None, verdict: Verdict = Verdict.SENT) -> None:
    """Assert the contract of `automation.contracts.Channel`.

    make: gives a new channel each time, on a target that takes messages for `to` and answers with `verdict`.

    Checked: options are frozen and strict; the module imports nothing heavy; one receipt for each message, in any
    order, with its id and attempt, a short detail and no address in it, a waiting time only where there is another
    time, and a reason to suppress only where the message has failed; what arrived was handed over before its receipt,
    once an attempt, and no other message was; no receipt for no message; a further attempt is answered again; a line
    break in the address or in a header (for e-mail also in the subject and the sender) is answered FAILED; `close` may
    be called twice, and before anything was delivered. Raises AssertionError.
    """
    channel = make()
    assert channel.kind in KINDS, f"kind must be one of {', '.join(KINDS)}, is {channel.kind!r}"
    _check_options(channel)
    _check_imports(type(channel).__module__)
    asyncio.run(_check_delivery(make, example_messages(to or _ADDRESSES[channel.kind]), verdict))
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


async def receipts(channel: Channel, messages: Sequence[Rendered]) -> list[Receipt]:
    """Everything that `deliver` answers, as a list."""
    return (await exchange(channel, messages))[0]


async def exchange(channel: Channel, messages: Sequence[Rendered]) -> tuple[list[Receipt], list[str]]:
    """Everything that `deliver` answers, and the ids that it handed over, in their order.

    Raises AssertionError where a message arrived, or may have, that was not handed over by then.
    """
    handed_over: list[str] = []
    answers: list[Receipt] = []
    async for receipt in channel.deliver(messages, lambda message: handed_over.append(message.id)):
        assert receipt.verdict not in _MAY_ARRIVE or receipt.id in handed_over, (
            f"hand_over(message) must come before it may arrive: not called for {receipt.id}"
        )
        answers.append(receipt)
    return answers, handed_over


def _check_options(channel: Channel) -> None:
    config = channel.Options.model_config
    assert config.get("frozen"), "Options must be frozen"
    assert config.get("extra") == "forbid", 'Options must refuse an unknown key (extra="forbid")'


def _check_imports(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert not loaded.stdout.strip(), f"importing {module} must not load {loaded.stdout.strip()}"


async def _check_delivery(make: Callable[[], Channel], messages: list[Rendered], verdict: Verdict) -> None:
    unused = make()
    await unused.close()
    channel = make()
    assert await receipts(channel, []) == [], "no message, no receipt"
    for attempt in (1, 2):
        again = [replace(message, attempt=attempt) for message in messages]
        answers, handed_over = await exchange(channel, again)
        wanted = sorted((message.id, attempt) for message in messages)
        found = sorted((answer.id, answer.attempt) for answer in answers)
        assert found == wanted, f"one receipt a message with its id and attempt: wanted {wanted}, found {found}"
        for answer in answers:
            assert answer.verdict is verdict, f"expected {verdict.value}, found {answer.verdict} ({answer.detail})"
            _check_receipt(answer, messages[0].to)
        assert len(handed_over) == len(set(handed_over)), "a message was handed over twice in one attempt"
        assert set(handed_over) <= {message.id for message in messages}, "a message was handed over that was not given"
    await channel.close()
    await channel.close()


async def _check_hostile(make: Callable[[], Channel], to: str) -> None:
    channel = make()
    for what, message in _hostile(channel.kind, to):
        answers = await receipts(channel, [message])
        assert [answer.verdict for answer in answers] == [Verdict.FAILED], f"{what} must be refused, found {answers}"
        _check_receipt(answers[0], to)
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


def _check_receipt(answer: Receipt, to: str) -> None:
    assert len(answer.detail) <= 200, f"detail is {len(answer.detail)} characters long; 200 are allowed"
    assert to not in answer.detail, "detail must not hold the address"
    assert answer.detail.isprintable(), "detail must be one printable line"
    assert answer.suppress in SUPPRESS, f"suppress must be one of {', '.join(filter(None, SUPPRESS))}, or empty"
    assert not answer.suppress or answer.verdict is Verdict.FAILED, "suppress goes with FAILED"
    again = answer.verdict in (Verdict.RETRY, Verdict.RETURNED)
    assert answer.retry_after is None or (again and answer.retry_after >= timedelta(0)), (
        "retry_after goes with RETRY and RETURNED, and is not negative"
    )
