"""Messages through Apprise, which supports about a hundred services, each configured by a URL."""

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
from automation.http.concurrency import ConcurrencyLimit
from automation.http.receipts import make_receipt
from automation.http.sending import Undeliverable, deliver_concurrently, reject_control_characters
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
    """The service and its target. The URL contains secrets, so it comes from the environment: `url: ${SLACK_URL}`."""

    url: Secret = Field(description="the Apprise URL of one target, such as `slack://…` or `tgram://…`")
    connections: Annotated[int, Field(ge=1, le=32)] = Field(
        default=4, description="how many messages are sent concurrently"
    )
    timeout: Annotated[float, Field(gt=0, le=600)] = Field(default=60, description="seconds to wait for the service")


class ApprisePhoneOptions(AppriseOptions):
    """The service. Its URL contains the customer's number: `{to}` (`+4930123456`) or `{digits}` (without the plus)."""

    url: Secret = Field(description="the Apprise URL with `{to}` or `{digits}`, such as `signal://…/{to}`")
    region: Region | None = Field(
        default=None,
        description="the country (`DE`) of numbers without a country code; without `region` such numbers fail",
    )

    @field_validator("url")
    @classmethod
    def _contains_the_number(cls, url: Secret) -> Secret:
        if not {"{to}", "{digits}"} & set(re.findall(r"\{\w+\}", url.get_secret_value())):
            raise ValueError("the URL must contain the customer's number as {to} or {digits}")
        return url


class AppriseChannel:
    """One target for all messages, such as a chat room where the shop's staff read about customers.

    Apprise only reports success or failure. Success: SENT. Failure, or no result within `timeout`: AMBIGUOUS, since a
    service that responded late or unexpectedly may have accepted the message; set `on_ambiguous: resend` in a campaign
    that prefers a duplicate to a lost message. A URL that Apprise does not support, or with several targets: RETRY, and
    nothing is sent. Receipts contain no error code, no Retry-After and no message id of the service.
    """

    kind: ClassVar[str] = "customer"
    Options: ClassVar[type[BaseModel]] = AppriseOptions

    def __init__(self, options: AppriseOptions) -> None:
        self.options = options
        self._apprise: apprise.Apprise | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._limit = ConcurrencyLimit(options.connections)

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """Yields one receipt for each message, in the order of the results."""

        async def deliver_one(message: Rendered) -> Receipt:
            async with self._limit:
                return await self._deliver_one(message, hand_over)

        return deliver_concurrently(messages, deliver_one, limit=self.options.connections)

    async def close(self) -> None:
        """Shut down the threads without waiting for one that still waits for a service."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False)

    async def _deliver_one(self, message: Rendered, hand_over: HandOver) -> Receipt:
        try:
            reject_control_characters(message)
            target = await self._in_thread(partial(self._target, message))
        except Undeliverable as error:
            return make_receipt(message, Verdict.FAILED, error.detail)
        except LookupError as error:
            return make_receipt(message, Verdict.RETRY, str(error))
        hand_over(message)
        try:
            async with asyncio.timeout(self.options.timeout + _GRACE):
                outcome = await self._in_thread(partial(self._notify, target, message))
        except TimeoutError:
            outcome = "timeout"
            await self.close()  # the thread is still busy; the next message starts new threads
        if outcome == "success":
            return make_receipt(message, Verdict.SENT)
        return make_receipt(message, Verdict.AMBIGUOUS, f"Apprise reports {outcome}; the message may have arrived")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run in a thread. There is a thread for each concurrent message, so no message waits after its hand-over."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.options.connections, thread_name_prefix="apprise")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _target(self, message: Rendered) -> apprise.Apprise:
        """The Apprise object for the message's target. Raises `Undeliverable` and `LookupError`."""
        if self._apprise is None:
            self._apprise = _open_target(self.options.url.get_secret_value())
        return self._apprise

    def _notify(self, target: apprise.Apprise, message: Rendered) -> str:
        result = target.notify(
            body=message.text, title=message.subject, body_format="text", timeout=self.options.timeout
        )
        return result.status.name.lower()


class ApprisePhoneChannel(AppriseChannel):
    """Each customer's own phone number, through a service that uses phone numbers, such as Signal or WhatsApp.

    Verdicts are those of `apprise`. A number without a country code: FAILED, and nothing is sent.
    """

    kind: ClassVar[str] = "phone"
    Options: ClassVar[type[BaseModel]] = ApprisePhoneOptions

    def __init__(self, options: ApprisePhoneOptions) -> None:
        super().__init__(options)
        self._region = options.region

    def _target(self, message: Rendered) -> apprise.Apprise:
        number = normalise(message.to, self._region)
        if not _E164.fullmatch(number):
            raise Undeliverable("not a phone number with a country code")
        url = self.options.url.get_secret_value()
        return _open_target(url.replace("{to}", number).replace("{digits}", number[1:]))


def _open_target(url: str) -> apprise.Apprise:
    """Raises LookupError; its text does not contain the URL."""
    import apprise

    services = apprise.Apprise()
    if not services.add(url) or not len(services):
        raise LookupError("Apprise does not support the URL")
    if sum(len(service) for service in services) != 1:
        raise LookupError("the URL must have exactly one target; use one channel for each target")
    return services
