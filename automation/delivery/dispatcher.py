"""Hands granted messages to their channels, each at its time slot, and reports a receipt for every one."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from automation.clock import monotonic
from automation.contracts import Channel, ResolvingChannel, Withdrawn
from automation.delivery.composer import Composer, UnfitLaunch
from automation.delivery.hand_over_gate import HandOverGate
from automation.errors import AutomationError
from automation.revocations import RevocationReader
from automation.types.grant import Grant
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.text import is_storable, storable

log = structlog.get_logger(__name__)

UNREPORTED = "the channel gave no receipt"
TAKEN_BACK = "taken back before it left"
_SLOT = 0.02
"""Messages whose slots begin within this many seconds leave together."""
Provider = tuple[str, int]


class DeliveryLog(Protocol):
    """Records how far each message came."""

    def handed_over(self, message: Rendered) -> None: ...

    def received(self, receipt: Receipt) -> None: ...

    def breach(self, channel: str) -> None: ...


@dataclass
class Dispatcher:
    """Delivers one worker's grants. `make` creates the channel of a name and provider; `report` takes each receipt."""

    composer: Composer
    make: Callable[[str, int], Channel]
    recorder: DeliveryLog
    report: Callable[[Receipt], None]
    revocations: RevocationReader
    _channels: dict[Provider, Channel] = field(default_factory=dict)
    _breached: set[str] = field(default_factory=set)

    async def dispatch(self, grants: Sequence[Grant], since: int) -> None:
        """Send the group; every grant gets exactly one receipt.

        since: the end of the revocation log when they were granted. What was taken back after it does not leave.
        """
        started = monotonic()
        left = list(split_into_waves(grants))
        tasks: list[asyncio.Task[None]] = []
        try:
            while left:
                wait, wave = left[0]
                await asyncio.sleep(max(0.0, started + wait - monotonic()))
                tasks.append(asyncio.create_task(self._send(left.pop(0)[1], since)))
            await asyncio.gather(*tasks)
        finally:
            for _, wave in left:
                for grant in wave:
                    self._settle(Receipt(grant.id, grant.attempt, Verdict.WITHDRAWN, "not begun"))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def resolve(self, grants: Sequence[Grant]) -> None:
        """Ask the channels about ambiguous messages; reports only what they know."""
        for provider, messages in self._composed(grants).items():
            channel = self._channel(provider)
            if isinstance(channel, ResolvingChannel):
                for receipt in await channel.resolve(messages):
                    self.report(_storable(receipt))

    async def close(self) -> None:
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            await channel.close()

    async def _send(self, grants: Sequence[Grant], since: int) -> None:
        by_id = {grant.id: grant for grant in grants}
        for provider, messages in self._composed(grants).items():
            try:
                channel = self._channel(provider)
            except Exception as error:
                log.exception("channel can't be created", channel=provider[0])
                why = f"channel {provider[0]} can't be created: {error}"
                for m in messages:
                    self._settle(Receipt(m.id, m.attempt, Verdict.RETRY, why))
            else:
                await self._hand_over(channel, provider[0], messages, by_id, since)

    def _composed(self, grants: Sequence[Grant]) -> dict[Provider, list[Rendered]]:
        found: dict[Provider, list[Rendered]] = defaultdict(list)
        for grant in grants:
            try:
                found[grant.channel, grant.provider].append(self.composer.compose(grant))
            except UnfitLaunch as error:
                why = str(error).splitlines()[0]
                self._settle(Receipt(grant.id, grant.attempt, Verdict.RETURNED, why))
            except AutomationError as error:
                self._settle(Receipt(grant.id, grant.attempt, Verdict.FAILED, f"can't be rendered: {error}"))
        return found

    async def _hand_over(
        self, channel: Channel, name: str, messages: Sequence[Rendered], grants: Mapping[str, Grant], since: int
    ) -> None:
        """A message that was handed over and has no receipt may have arrived, however the channel ended."""
        waiting = {(message.id, message.attempt) for message in messages}

        def withdraw(message: Rendered) -> None:
            if (message.id, message.attempt) in waiting:
                waiting.discard((message.id, message.attempt))
                self._settle(Receipt(message.id, message.attempt, Verdict.WITHDRAWN, TAKEN_BACK))

        otherwise = Verdict.RETURNED
        hand_over = HandOverGate(self.revocations, since, grants, self.recorder.handed_over, withdraw)
        handed_over = hand_over.handed_over
        try:
            async for receipt in channel.deliver(messages, hand_over):
                if (receipt.id, receipt.attempt) in waiting:
                    waiting.discard((receipt.id, receipt.attempt))
                    if receipt.verdict is Verdict.SENT and receipt.id not in handed_over:
                        self._note_breach(name)
                    self._settle(receipt)
        except asyncio.CancelledError:
            otherwise = Verdict.WITHDRAWN  # the delivery ends: what has not left is no fault of the provider
            raise
        except Withdrawn:
            otherwise = Verdict.WITHDRAWN
            log.warning("the channel ends at a message that was taken back; it should leave it out", channel=name)
        except Exception:
            log.exception("channel failed", channel=name, unreported=len(waiting))
        finally:
            for message, attempt in sorted(waiting):
                may_have_left = message in handed_over or name in self._breached
                verdict = Verdict.AMBIGUOUS if may_have_left else otherwise
                self._settle(Receipt(message, attempt, verdict, UNREPORTED))

    def _settle(self, receipt: Receipt) -> None:
        """Record the receipt first, so that it is found even if this process dies now."""
        receipt = _storable(receipt)
        try:
            self.recorder.received(receipt)
        except OSError:
            log.warning("a receipt could not be recorded", message=receipt.id, verdict=receipt.verdict.value)
        self.report(receipt)

    def _note_breach(self, name: str) -> None:
        if name not in self._breached:
            self._breached.add(name)
            log.error("channel sends before it calls hand_over: messages without a receipt are ambiguous", channel=name)
            self.recorder.breach(name)

    def _channel(self, provider: Provider) -> Channel:
        if provider not in self._channels:
            self._channels[provider] = self.make(*provider)
        return self._channels[provider]


def _storable(receipt: Receipt) -> Receipt:
    """The receipt with words that every store can hold: they are a stranger's."""
    if is_storable(receipt.detail) and is_storable(receipt.provider_id):
        return receipt
    return replace(receipt, detail=storable(receipt.detail), provider_id=storable(receipt.provider_id))


def split_into_waves(grants: Sequence[Grant]) -> Iterator[tuple[float, list[Grant]]]:
    """The grants by time slot (seconds from now); slots within 20 ms are one wave."""
    by_slot: dict[int, list[Grant]] = defaultdict(list)
    for grant in grants:
        by_slot[-int(-grant.wait // _SLOT)].append(grant)
    for slot in sorted(by_slot):
        yield slot * _SLOT, by_slot[slot]
