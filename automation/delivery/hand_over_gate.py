"""The last look at a message before it leaves: was it taken back since it was granted?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from automation import revocations
from automation.contracts import Withdrawn
from automation.revocations import RevocationReader
from automation.types.address import domain_of, normalise
from automation.types.grant import Grant
from automation.types.message import Rendered


@dataclass
class HandOverGate:
    """What a channel gets as `hand_over` (`contracts.KnowsWithdrawn`), for one call of `deliver`.

    grants: of its messages, by id. since: the end of the revocation log when they were granted. record: records that a
    message may arrive from now on. withdraw: settles a message that was taken back.
    """

    revocations: RevocationReader
    since: int
    grants: Mapping[str, Grant]
    record: Callable[[Rendered], None]
    withdraw: Callable[[Rendered], None]
    handed_over: set[str] = field(default_factory=set)

    def __call__(self, message: Rendered) -> None:
        """Raises `Withdrawn`."""
        if not self.may_leave(message):
            raise Withdrawn
        self.record(message)
        self.handed_over.add(message.id)

    def may_leave(self, message: Rendered) -> bool:
        if not self.revocations.has_news(self.since):
            return True
        grant = self.grants.get(message.id)
        if grant is None or not self.revocations.revokes(_keys_of(grant), self.since):
            return True
        self.withdraw(message)
        return False


def _keys_of(grant: Grant) -> Iterator[str]:
    """Every key under which the message may be taken back."""
    yield revocations.campaign_key(grant.campaign)
    yield revocations.channel_key(grant.channel)
    yield revocations.customer_key(grant.customer_id)
    recipient = normalise(grant.address)
    yield revocations.address_key(recipient)
    if domain := domain_of(recipient):
        yield revocations.address_key(domain)
