"""Sends messages to a service over HTTP, several concurrently, and yields a receipt for each."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

from automation.contracts import HandOver, Withdrawn
from automation.http.client import Client, NoResponse, NotSent, Request, Response
from automation.http.receipts import make_receipt
from automation.http.urls import UrlNotAllowed
from automation.types.message import Receipt, Rendered, Verdict

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Undeliverable(Exception):
    """The message can't be sent as it is; its verdict is FAILED. `suppress`: the reason code if its address is dead."""

    def __init__(self, detail: str, suppress: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.suppress = suppress


async def send_messages(
    client: Client,
    messages: Sequence[Rendered],
    build_request: Callable[[Rendered], Request],
    read_response: Callable[[Rendered, Response], Receipt],
    hand_over: HandOver,
    *,
    when_not_sent: Verdict = Verdict.RETURNED,
) -> AsyncIterator[Receipt]:
    """Send each message with `send_message`, as many concurrently as the client has connections."""

    async def deliver_one(message: Rendered) -> Receipt:
        return await send_message(client, message, build_request, read_response, hand_over, when_not_sent=when_not_sent)

    async for receipt in deliver_concurrently(messages, deliver_one, limit=client.connections):
        yield receipt


async def send_message(
    client: Client,
    message: Rendered,
    build_request: Callable[[Rendered], Request],
    read_response: Callable[[Rendered, Response], Receipt],
    hand_over: HandOver,
    *,
    when_not_sent: Verdict = Verdict.RETURNED,
) -> Receipt:
    """Send one message; `read_response` turns the response into its receipt.

    FAILED if `build_request` raises `Undeliverable` or the URL is not allowed. `when_not_sent` if the body was not
    sent; use RETRY if the URL is the customer's own, since the message may be the cause. AMBIGUOUS without a response.
    """
    try:
        reject_control_characters(message)
        request = build_request(message)
        response = await client.send(request, lambda: hand_over(message))
    except Undeliverable as error:
        return make_receipt(message, Verdict.FAILED, error.detail, suppress=error.suppress)
    except UrlNotAllowed as error:
        return make_receipt(message, Verdict.FAILED, f"URL not allowed: {error}")
    except NotSent as error:
        return make_receipt(message, when_not_sent, f"not sent: {error}")
    except NoResponse as error:
        return make_receipt(message, Verdict.AMBIGUOUS, f"no response: {error}")
    return read_response(message, response)


async def deliver_concurrently(
    messages: Sequence[Rendered], deliver_one: Callable[[Rendered], Awaitable[Receipt]], *, limit: int
) -> AsyncIterator[Receipt]:
    """Deliver messages, at most `limit` concurrently; yields each receipt as it arrives.

    If a delivery raises, its message gets no receipt; the others get theirs, and then the first error is raised, unless
    the message was `Withdrawn`.
    """
    waiting = iter(messages)
    results: asyncio.Queue[Receipt | Exception] = asyncio.Queue()
    tasks = [
        asyncio.create_task(_deliver_next(waiting, results, deliver_one)) for _ in range(min(limit, len(messages)))
    ]
    errors: list[Exception] = []
    try:
        for _ in messages:
            result = await results.get()
            if isinstance(result, Receipt):
                yield result
            elif not isinstance(result, Withdrawn):
                errors.append(result)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if errors:
        raise errors[0]


async def _deliver_next(
    waiting: Iterator[Rendered],
    results: asyncio.Queue[Receipt | Exception],
    deliver_one: Callable[[Rendered], Awaitable[Receipt]],
) -> None:
    for message in waiting:
        try:
            results.put_nowait(await deliver_one(message))
        except Exception as error:
            results.put_nowait(error)


def reject_control_characters(message: Rendered) -> None:
    """Raises `Undeliverable` for a control character, such as a line break, in the address, the id or a header."""
    for name, text in (("address", message.to), ("id", message.id), *message.headers.items()):
        if _CONTROL.search(text):
            raise Undeliverable(f"a control character in the {'address' if name == 'address' else 'headers'}")
