"""A campaign as a program of steps: what an entry does next, wherever it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from automation.event_types import CONSENT_GIVEN
from automation.types.answers import types_of
from automation.types.campaign import Campaign
from automation.types.condition import Leaf, leaves
from automation.types.step import Send, Step
from automation.types.trigger import Trigger

END = "."
"""Where an entry is behind its last step, until its last message is settled."""


@dataclass(frozen=True)
class Node:
    """One step with a name that is unique in its campaign.

    name: of a send, the name that the file gives it; of any other step its place, `2`, `4.then.1`. after: the node
    behind it. arms: of a wait_for, the first nodes of `then` and `otherwise`; of a branch, those of each branch, in the
    order of the file. An arm that is empty is the node behind. END stands for the end of the journey.
    """

    name: str
    step: Step
    after: str
    arms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """A campaign's nodes by name, in the order of the file. first: where an entry begins."""

    nodes: Mapping[str, Node]
    first: str
    starts: frozenset[str]
    """The types of event that begin an entry."""
    stops: frozenset[str]
    """The types of event that may end one."""

    @cached_property
    def sends(self) -> Mapping[str, Send]:
        """Every message, by the name of its step."""
        return {name: node.step.send for name, node in self.nodes.items() if node.step.send is not None}

    @cached_property
    def answers(self) -> frozenset[str]:
        """The types of event that some step waits for."""
        waits = (node.step.wait_for for node in self.nodes.values())
        words = (word for wait in waits if wait is not None for word in wait.types)
        return frozenset(one for word in words for one in types_of(word))

    @property
    def listens(self) -> frozenset[str]:
        """Every type of event that can begin, end or move an entry; any other is not even parsed."""
        return self.starts | self.stops | self.answers

    @property
    def is_one_send(self) -> bool:
        """Whether an entry is over with its first decision, so that it needs no row."""
        return not self.stops and len(self.nodes) == 1 and len(self.sends) == 1


def compile_program(campaign: Campaign) -> Program:
    """The program of a valid campaign; `send:` is the program of one step."""
    nodes: dict[str, Node] = {}
    first = _add(campaign.steps, "", END, nodes)
    in_order = {name: nodes[name] for name in _names(campaign.steps, "")}
    return Program(in_order, first, _starts(campaign.starts_when), _stops(campaign))


def _starts(trigger: Trigger | None) -> frozenset[str]:
    """The types of event that begin an entry."""
    if trigger is None:
        return frozenset()
    if trigger.consent_given is not None:
        return frozenset([CONSENT_GIVEN])
    return frozenset() if trigger.did is None else frozenset([trigger.did])


def _add(steps: Sequence[Step], place: str, after: str, nodes: dict[str, Node]) -> str:
    """Add the steps, from the last to the first; returns the first one's name, or what follows if there is none."""
    for number in range(len(steps), 0, -1):
        step, here = steps[number - 1], f"{place}{number}"
        arms = tuple(_add(inner, f"{here}.{arm}.", after, nodes) for arm, inner in _arms(step))
        name = _name(step, here)
        nodes[name] = Node(name, step, END if step.stop else after, arms)
        after = name
    return after


def _names(steps: Sequence[Step], place: str) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        here = f"{place}{number}"
        yield _name(step, here)
        for arm, inner in _arms(step):
            yield from _names(inner, f"{here}.{arm}.")


def _name(step: Step, place: str) -> str:
    return place if step.send is None else step.send.name


def _arms(step: Step) -> list[tuple[str, Sequence[Step]]]:
    """The lists of steps inside a step, each with its name."""
    if step.wait_for is not None:
        return [("then", step.then), ("otherwise", step.otherwise)]
    return [(str(number), one.steps or one.otherwise) for number, one in enumerate(step.branch or (), 1)]


def _stops(campaign: Campaign) -> frozenset[str]:
    """The types of event in `stop_when` that act as soon as they are heard."""
    if campaign.stop_when is None:
        return frozenset()
    found = (_event(leaf) for leaf in leaves(campaign.stop_when))
    return frozenset(one for one in found if one is not None)


def _event(leaf: Leaf) -> str | None:
    did = getattr(leaf.options, "did", None) if leaf.key == "did" else None
    return did if isinstance(did, str) else None
