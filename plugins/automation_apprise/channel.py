"""Messages through Apprise, which knows a hundred services by their URLs."""

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
"""Seconds beyond `timeout` after which a service that doesn't heed it is no longer waited for."""


class AppriseOptions(contracts.Options):
    """The service and the place in it. The URL holds secrets, so it comes from the environment: `url: ${SLACK_URL}`."""

    url: Secret = Field(description="Apprise's URL of one place, such as `slack://…` or `tgram://…`")
    connections: Annotated[int, Field(ge=1, le=32)] = Field(
        default=4, description="how many messages are on their way at once"
    )
    timeout: Annotated[float, Field(gt=0, le=600)] = Field(default=60, description="seconds to wait for the service")


class ApprisePhoneOptions(AppriseOptions):
    """The service; its URL names the customer by `{to}` (`+4930123456`) or `{digits}` (the same without the plus)."""

    url: Secret = Field(description="Apprise's URL with `{to}` or `{digits}` in it, such as `signal://…/{to}`")
    region: Region | None = Field(
        default=None, description="the country (`DE`) of numbers that are written without one; else they have failed"
    )

    @field_validator("url")
    @classmethod
    def _names_the_customer(cls, url: Secret) -> Secret:
        if not {"{to}", "{digits}"} & set(re.findall(r"\{\w+\}", url.get_secret_value())):
            raise ValueError("the URL must say whom a message is for, by {to} or {digits}")
        return url


class AppriseChannel:
    """One place for all messages, such as a chat room of the shop's staff; what they say is about the customer.

    Apprise only says whether all went well. Yes: SENT. No, or no answer within `timeout`: AMBIGUOUS, since a service
    that answered too late, or not as Apprise expects, may have taken the message; a campaign for which twice is better
    than never says `on_ambiguous: resend`. A URL that Apprise doesn't know, or of more than one place: RETRY, and
    nothing is sent. There are no reasons, no waiting time and no id of the service's own.
    """

    kind: ClassVar[str] = "customer"
    Options: ClassVar[type[BaseModel]] = AppriseOptions

    def __init__(self, options: AppriseOptions) -> None:
        self.options = options
        self._known: apprise.Apprise | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._slots = Slots(options.connections)

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """One receipt for each message, in the order in which the services answer."""

        async def deliver_one(message: Rendered) -> Receipt:
            async with self._slots:
                return await self._deliver_one(message, hand_over)

        return each(messages, deliver_one, at_once=self.options.connections)

    async def close(self) -> None:
        """Let the threads go; one that still waits for a service ends by itself."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False)

    async def _deliver_one(self, message: Rendered, hand_over: HandOver) -> Receipt:
        try:
            refuse_control(message)
            place = await self._in_thread(partial(self._place, message))
        except Undeliverable as error:
            return receipt(message, Verdict.FAILED, error.detail)
        except LookupError as error:
            return receipt(message, Verdict.RETRY, str(error))
        hand_over(message)
        try:
            async with asyncio.timeout(self.options.timeout + _GRACE):
                said = await self._in_thread(partial(self._notify, place, message))
        except TimeoutError:
            said = "timeout"
            await self.close()  # its thread is still taken; the next message gets a new one
        if said == "success":
            return receipt(message, Verdict.SENT)
        return receipt(message, Verdict.AMBIGUOUS, f"Apprise says {said}, which does not mean that nothing arrived")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """In one of as many threads as there are messages on their way, so that none waits that was handed over."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.options.connections, thread_name_prefix="apprise")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _place(self, message: Rendered) -> apprise.Apprise:
        """Raises `Undeliverable` and `LookupError`."""
        if self._known is None:
            self._known = _one_place(self.options.url.get_secret_value())
        return self._known

    def _notify(self, place: apprise.Apprise, message: Rendered) -> str:
        done = place.notify(body=message.text, title=message.subject, body_format="text", timeout=self.options.timeout)
        return done.status.name.lower()


class ApprisePhoneChannel(AppriseChannel):
    """Each customer's own number, through a service that knows people by it, such as Signal or WhatsApp.

    As for `apprise`; a number without its country: FAILED, and nothing is sent.
    """

    kind: ClassVar[str] = "phone"
    Options: ClassVar[type[BaseModel]] = ApprisePhoneOptions

    def __init__(self, options: ApprisePhoneOptions) -> None:
        super().__init__(options)
        self._region = options.region

    def _place(self, message: Rendered) -> apprise.Apprise:
        number = normalise(message.to, self._region)
        if not _E164.fullmatch(number):
            raise Undeliverable("not a phone number with its country code")
        url = self.options.url.get_secret_value()
        return _one_place(url.replace("{to}", number).replace("{digits}", number[1:]))


def _one_place(url: str) -> apprise.Apprise:
    """Raises LookupError, whose text doesn't repeat the URL."""
    import apprise

    known = apprise.Apprise()
    if not known.add(url) or not len(known):
        raise LookupError("Apprise does not know the URL")
    if sum(len(service) for service in known) != 1:
        raise LookupError("the URL is of more than one place, or of none; write one channel for each")
    return known
