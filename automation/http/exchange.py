"""Sends messages to a service over HTTP, several at once, and turns each answer into a receipt."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

from automation.contracts import HandOver
from automation.http.client import Answer, Client, NotSent, Request, Unanswered
from automation.http.reach import NotAllowed
from automation.types.message import Receipt, Rendered, Verdict

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONG_NUMBER = re.compile(r"\+?\d[\d ().-]{5,}\d")
_ADDRESS = re.compile(r"\S*@\S*")
_READ = 2000
"""Characters of a service's text that are read; it may send 256 KB in one word."""
_LATER = (408, 425, 429, 503)
_CREDENTIALS = (401, 403, 407)


class Undeliverable(Exception):
    """A message that can't be sent as it is: FAILED. `suppress` is the reason code if its address is dead."""

    def __init__(self, detail: str, suppress: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.suppress = suppress


async def each(
    messages: Sequence[Rendered], deliver_one: Callable[[Rendered], Awaitable[Receipt]], *, at_once: int
) -> AsyncIterator[Receipt]:
    """Deliver messages, `at_once` at a time; yields each receipt as it arrives.

    A message whose delivery raises gets none; the others get theirs, and then the first such error is raised.
    """
    waiting = iter(messages)
    answers: asyncio.Queue[Receipt | Exception] = asyncio.Queue()
    workers = [asyncio.create_task(_work(waiting, answers, deliver_one)) for _ in range(min(at_once, len(messages)))]
    errors: list[Exception] = []
    try:
        for _ in messages:
            answer = await answers.get()
            if isinstance(answer, Exception):
                errors.append(answer)
            else:
                yield answer
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    if errors:
        raise errors[0]


async def _work(
    waiting: Iterator[Rendered],
    answers: asyncio.Queue[Receipt | Exception],
    deliver_one: Callable[[Rendered], Awaitable[Receipt]],
) -> None:
    for message in waiting:
        try:
            answers.put_nowait(await deliver_one(message))
        except Exception as error:
            answers.put_nowait(error)


async def exchange(
    client: Client,
    messages: Sequence[Rendered],
    request: Callable[[Rendered], Request],
    judge: Callable[[Rendered, Answer], Receipt],
    hand_over: HandOver,
    *,
    unsent: Verdict = Verdict.RETURNED,
) -> AsyncIterator[Receipt]:
    """`call` for each message, as many at a time as the client has connections."""

    async def deliver_one(message: Rendered) -> Receipt:
        return await call(client, message, request, judge, hand_over, unsent=unsent)

    async for answer in each(messages, deliver_one, at_once=client.connections):
        yield answer


async def call(
    client: Client,
    message: Rendered,
    request: Callable[[Rendered], Request],
    judge: Callable[[Rendered, Answer], Receipt],
    hand_over: HandOver,
    *,
    unsent: Verdict = Verdict.RETURNED,
) -> Receipt:
    """Send one message; `judge` turns the answer into its receipt.

    A message that can't be sent as it is, or whose URL is not allowed: FAILED. One that was not sent: `unsent`, which
    is RETRY if the URL is the customer's own, since the cause may be the message's. No answer: AMBIGUOUS.
    """
    try:
        refuse_control(message)
        made = request(message)
        answer = await client.send(made, lambda: hand_over(message))
    except Undeliverable as error:
        return receipt(message, Verdict.FAILED, error.detail, suppress=error.suppress)
    except NotAllowed as error:
        return receipt(message, Verdict.FAILED, f"not allowed: {error}")
    except NotSent as error:
        return receipt(message, unsent, f"not sent: {error}")
    except Unanswered as error:
        return receipt(message, Verdict.AMBIGUOUS, f"no answer: {error}")
    return judge(message, answer)


def refuse_control(message: Rendered) -> None:
    """Raises `Undeliverable` for a control character, such as a line break, in the address, the id or a header."""
    for what, text in (("address", message.to), ("id", message.id), *message.headers.items()):
        if _CONTROL.search(text):
            raise Undeliverable(f"a control character in the {'address' if what == 'address' else 'headers'}")


def verdict_of(status: int, *, repeatable: bool = False) -> Verdict:
    """What a status alone means for the message.

    2xx: SENT. 408, 425, 429 and 503 (nothing was done) and 401, 403 and 407 (wrong credentials, which an admin can
    correct): RETRY. Any other 3xx or 4xx: FAILED. Any other 5xx comes from a service that failed midway, or from a
    gateway that can't know: AMBIGUOUS, or RETRY if the service recognises repeated requests.
    """
    if 200 <= status < 300:
        return Verdict.SENT
    if status in _LATER or status in _CREDENTIALS:
        return Verdict.RETRY
    if 300 <= status < 500:
        return Verdict.FAILED
    return Verdict.RETRY if repeatable else Verdict.AMBIGUOUS


def receipt(
    message: Rendered,
    verdict: Verdict,
    detail: str = "",
    *,
    answer: Answer | None = None,
    provider_id: str = "",
    suppress: str = "",
) -> Receipt:
    """A receipt with a short detail without addresses; `retry_after` comes from the answer if it is a retry."""
    again = answer is not None and verdict in (Verdict.RETRY, Verdict.RETURNED)
    return Receipt(
        message.id,
        message.attempt,
        verdict,
        without_addresses(detail, message.to),
        provider_id=_printable(provider_id)[:100],
        retry_after=answer.retry_after(message.sent_at) if again and answer else None,
        suppress=suppress,
    )


def without_addresses(text: str, to: str) -> str:
    """At most 200 printable characters, without the address and anything that looks like one."""
    text = text[:_READ]
    text = text.replace(to, "<address>") if to else text
    text = _ADDRESS.sub("<address>", text)
    text = _LONG_NUMBER.sub("<number>", text)
    return _printable(text)[:200]


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
