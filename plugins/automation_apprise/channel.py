"""Messages through Apprise, which reaches a hundred services by their URLs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeVar

from pydantic import BaseModel, Field, field_validator

from automation import contracts
from automation.contracts import HandOver
from automation.http.exchange import Undeliverable, each, receipt, refuse_control
from automation.http.slots import Slots
from automation.types.address import Region, normalise
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.secret import Secret

if TYPE_CHECKING:
    import apprise

T = TypeVar("T")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_GRACE = 5.0
"""Seconds beyond `timeout` to wait for a service that ignores the timeout."""


class AppriseOptions(contracts.Options):
    """The service and the target in it. The URL holds secrets: it comes from the environment, `url: ${SLACK_URL}`."""

    url: Secret = Field(description="Apprise's URL of one target, such as `slack://…` or `tgram://…`")
    connections: Annotated[int, Field(ge=1, le=32)] = Field(default=4, description="how many messages are sent at once")
    timeout: Annotated[float, Field(gt=0, le=600)] = Field(default=60, description="seconds to wait for the service")


class ApprisePhoneOptions(AppriseOptions):
    """The service; its URL names the customer by `{to}` (`+4930123456`) or `{digits}` (the same without the plus)."""

    url: Secret = Field(description="Apprise's URL with `{to}` or `{digits}` in it, such as `signal://…/{to}`")
    region: Region | None = Field(
        default=None, description="the country (`DE`) of numbers without a country code; without it such numbers fail"
    )

    @field_validator("url")
    @classmethod
    def _names_the_customer(cls, url: Secret) -> Secret:
        if not {"{to}", "{digits}"} & set(re.findall(r"\{\w+\}", url.get_secret_value())):
            raise ValueError("the URL must contain the customer's number as {to} or {digits}")
        return url


class AppriseChannel:
    """One target for all messages, such as a chat room of the shop's staff; the messages are about the customer.

    Apprise only reports success or failure. Success: SENT. Failure, or no answer within `timeout`: AMBIGUOUS, since a
    service that answered late or unexpectedly may have accepted the message; a campaign that prefers a duplicate to a
    lost message says `on_ambiguous: resend`. A URL that Apprise doesn't know, or that has several targets: RETRY, and
    nothing is sent. Receipts hold no error code, no waiting time and no message id of the service.
    """

    kind: ClassVar[str] = "customer"
    Options: ClassVar[type[BaseModel]] = AppriseOptions

    def __init__(self, options: AppriseOptions) -> None:
        self.options = options
        self._opened: apprise.Apprise | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._slots = Slots(options.connections)

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """One receipt for each message, in the order of the answers."""

        async def deliver_one(message: Rendered) -> Receipt:
            async with self._slots:
                return await self._deliver_one(message, hand_over)

        return each(messages, deliver_one, at_once=self.options.connections)

    async def close(self) -> None:
        """Release the threads; a thread that still waits for a service ends by itself."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False)

    async def _deliver_one(self, message: Rendered, hand_over: HandOver) -> Receipt:
        try:
            refuse_control(message)
            target = await self._in_thread(partial(self._target, message))
        except Undeliverable as error:
            return receipt(message, Verdict.FAILED, error.detail)
        except LookupError as error:
            return receipt(message, Verdict.RETRY, str(error))
        hand_over(message)
        try:
            async with asyncio.timeout(self.options.timeout + _GRACE):
                outcome = await self._in_thread(partial(self._notify, target, message))
        except TimeoutError:
            outcome = "timeout"
            await self.close()  # its thread is still taken; the next message gets a new one
        if outcome == "success":
            return receipt(message, Verdict.SENT)
        return receipt(message, Verdict.AMBIGUOUS, f"Apprise reports {outcome}; the message may have arrived")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run in one of as many threads as messages sent at once, so that no message waits after it was handed over."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.options.connections, thread_name_prefix="apprise")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _target(self, message: Rendered) -> apprise.Apprise:
        """Raises `Undeliverable` and `LookupError`."""
        if self._opened is None:
            self._opened = _one_target(self.options.url.get_secret_value())
        return self._opened

    def _notify(self, target: apprise.Apprise, message: Rendered) -> str:
        done = target.notify(body=message.text, title=message.subject, body_format="text", timeout=self.options.timeout)
        return done.status.name.lower()


class ApprisePhoneChannel(AppriseChannel):
    """Each customer's own phone number, through a service that is addressed by it, such as Signal or WhatsApp.

    Receipts as for `apprise`; a number without a country code: FAILED, and nothing is sent.
    """

    kind: ClassVar[str] = "phone"
    Options: ClassVar[type[BaseModel]] = ApprisePhoneOptions

    def __init__(self, options: ApprisePhoneOptions) -> None:
        super().__init__(options)
        self._region = options.region

    def _target(self, message: Rendered) -> apprise.Apprise:
        number = normalise(message.to, self._region)
        if not _E164.fullmatch(number):
            raise Undeliverable("not a phone number with its country code")
        url = self.options.url.get_secret_value()
        return _one_target(url.replace("{to}", number).replace("{digits}", number[1:]))


def _one_target(url: str) -> apprise.Apprise:
    """Raises LookupError, with a text that doesn't repeat the URL."""
    import apprise

    known = apprise.Apprise()
    if not known.add(url) or not len(known):
        raise LookupError("Apprise does not know the URL")
    if sum(len(service) for service in known) != 1:
        raise LookupError("the URL has no target or several; write one channel for each")
    return known
