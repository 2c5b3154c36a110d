"""How many messages each provider may have on their way: a bulkhead, so that one that hangs leaves room to the others.

A provider has no more on its way than it answers in about half a second (Little's law: what is on its way is the rate
times the time that each takes), and at least what its connections work on at once. So few messages wait in the workers,
and a reboot leaves few ambiguous. One that answers nothing is slowed down after 3 seconds, and gets nothing more after
10 until it answers again. What comes back because nobody answered in time is no answer: the provider counts as silent
until a real one comes, and gets a few messages to try it by whenever it owes none.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from automation.delivery.executor import GROUP, GROUPS_AT_ONCE
from automation.types.grant import Grant
from automation.types.message import Receipt, Verdict

TARGET = 0.5
"""Seconds within which what is on its way is to have its answer."""
SLOW_AFTER = 3.0
"""Seconds without an answer after which a provider has no more on its way than it works on at once."""
HELD_AFTER = 10.0
"""Seconds without an answer after which a provider gets nothing more."""
_MEASURED = 1.0
"""Seconds of answers that a provider's rate is measured by."""
_FIRST = 2 * GROUP
_MOST = GROUP * GROUPS_AT_ONCE
"""Messages of one provider on their way to one worker."""
_ANSWERS = (Verdict.SENT, Verdict.FAILED)
"""Verdicts that only an answer gives; any other one may also come from a time-out."""

Provider = tuple[str, int]
"""The channel, and which of its providers."""


@dataclass
class Bulkhead:
    """One provider's messages on their way. Times are seconds of the monotonic clock.

    least, most: the bounds of `window`, over all workers. timed_out: whether the last messages came back unanswered.
    """

    least: int
    most: int
    window: int = _FIRST
    count: int = 0
    answered_at: float = 0.0
    timed_out: bool = False
    _answers: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, count: int, now: float) -> None:
        if not self.count and not self.timed_out:
            self.answered_at = now  # until now it had nothing to answer
        self.count += count

    def note_answers(self, count: int, took: float, now: float, *, timed_out: bool = False) -> None:
        """took: seconds from the grant to the answer, the mean of these. timed_out: nobody answered any of them."""
        was_full = self.count > self._bounded(self.window) - GROUP
        self.remove(count)
        self.timed_out = timed_out
        if timed_out:
            return
        self.answered_at = now
        self._answers.append((now, count))
        while self._answers[0][0] < now - _MEASURED:
            self._answers.popleft()
        if took > TARGET:
            rate = sum(n for _, n in self._answers) / _MEASURED
            self.window = self._bounded(min(self.window, int(rate * TARGET)))
        elif took < TARGET / 2 and was_full:
            self.window = self._bounded(2 * self.window)

    def remove(self, count: int) -> None:
        self.count = max(0, self.count - count)

    def room(self, now: float) -> int:
        """How many more may be granted; none while that is less than a group, so that one commit takes many."""
        silent = self.silent_for(now)
        if silent >= HELD_AFTER:
            return 0
        window = self.least if silent >= SLOW_AFTER or self.timed_out else self._bounded(self.window)
        room = max(0, window - self.count)
        return room if room >= min(GROUP, window // 4) else 0

    def silent_for(self, now: float) -> float:
        """Seconds since its last answer, while it owes one."""
        return now - self.answered_at if self.count else 0.0

    def _bounded(self, window: int) -> int:
        return min(max(window, self.least), self.most)


@dataclass
class Bulkheads:
    """What is on its way, by provider. concurrency: how many messages a provider's channel works on at once."""

    concurrency: Callable[[Provider], int]
    workers: int = 1
    _bulkheads: dict[Provider, Bulkhead] = field(default_factory=dict)
    _grants: dict[str, tuple[Grant, float]] = field(default_factory=dict)  # and when its time slot began
    _loads: Counter[tuple[int, Provider]] = field(default_factory=Counter)

    def add(self, grants: Sequence[Grant], now: float) -> None:
        """Count messages that leave for their workers now."""
        for provider, count in Counter(map(provider_of, grants)).items():
            self._bulkhead(provider).add(count, now)
        for grant in grants:
            self._grants[grant.id] = (grant, now + grant.wait)
            self._loads[grant.worker_id, provider_of(grant)] += 1

    def grant_of(self, message: str) -> Grant | None:
        """The grant of a message on its way."""
        found = self._grants.get(message)
        return None if found is None else found[0]

    def note(self, receipts: Iterable[Receipt], now: float) -> None:
        """Count their answers. A message that was withdrawn says nothing about its provider."""
        took: dict[Provider, list[float]] = {}
        answered: set[Provider] = set()
        for receipt in receipts:
            if (found := self._grants.pop(receipt.id, None)) is None:
                continue
            grant, at = found
            provider = provider_of(grant)
            self._loads[grant.worker_id, provider] -= 1
            if receipt.verdict is Verdict.WITHDRAWN:
                self._bulkheads[provider].remove(1)
                continue
            took.setdefault(provider, []).append(max(0.0, now - at))
            if receipt.verdict in _ANSWERS or now - at < HELD_AFTER:
                answered.add(provider)
        for provider, times in took.items():
            mean, timed_out = sum(times) / len(times), provider not in answered
            self._bulkheads[provider].note_answers(len(times), mean, now, timed_out=timed_out)

    def keep(self, worker_ids: Collection[int], now: float) -> None:
        """Forget the messages of all other workers: recovery settles them."""
        known = set(worker_ids)
        if all(worker_id in known for worker_id, _ in self._loads):
            return
        for grant in [grant for grant, _ in self._grants.values() if grant.worker_id not in known]:
            del self._grants[grant.id]
            bulkhead = self._bulkheads[provider_of(grant)]
            bulkhead.remove(1)
            bulkhead.answered_at = now
        for key in [key for key in self._loads if key[0] not in known]:
            del self._loads[key]

    def room(self, provider: Provider, now: float) -> int:
        """How many more messages of the provider may be granted."""
        return self._bulkhead(provider).room(now)

    def loads(self, worker_id: int) -> Mapping[Provider, int]:
        """How many messages of each provider a worker has."""
        return {provider: count for (worker, provider), count in self._loads.items() if worker == worker_id}

    def silent(self, now: float) -> Mapping[Provider, float]:
        """The providers that do not answer, with the seconds since they last did."""
        return {
            provider: now - bulkhead.answered_at
            for provider, bulkhead in self._bulkheads.items()
            if bulkhead.timed_out or bulkhead.silent_for(now) >= HELD_AFTER
        }

    def _bulkhead(self, provider: Provider) -> Bulkhead:
        most = _MOST * max(1, self.workers)
        least = min(most, max(GROUP, self.concurrency(provider) * self.workers))
        bulkhead = self._bulkheads.setdefault(provider, Bulkhead(least, most))
        bulkhead.least, bulkhead.most = least, most
        return bulkhead


def provider_of(grant: Grant) -> Provider:
    """Which provider a granted message goes to."""
    return grant.channel, grant.provider
