"""Conditions: rules and groups of rules; audiences; and the components that a file names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from automation.types.quantity import TopShare


@dataclass(frozen=True)
class Leaf:
    """One rule: its YAML key (`did`, `trait`, ... or a plugin's), its validated options and where it stands.

    `path` is the place in the file (`audience.all[2]`, counted from 1), `text` the rule as written, for `explain`.
    """

    key: str
    options: BaseModel
    path: str
    text: str


@dataclass(frozen=True)
class Group:
    """`all`, `any` or `not` (which has exactly one part); `everyone` is `all` of nothing."""

    kind: Literal["all", "any", "not"]
    parts: tuple[Condition, ...]


Condition = Leaf | Group


@dataclass(frozen=True)
class Where:
    """Tests of an event's attributes, or of its product's, where a file names a type of event beside them.

    rule: the `did` rule that has these tests and nothing else.
    """

    rule: Leaf


def leaves(condition: Condition) -> Iterator[Leaf]:
    """Every leaf, in the order of the file."""
    if isinstance(condition, Leaf):
        yield condition
    else:
        for part in condition.parts:
            yield from leaves(part)


def referred_segments(*conditions: Condition) -> list[str]:
    """The segments that rules of the conditions name, each once, in order; not those that these segments name."""
    found = (getattr(leaf.options, "segment", None) for condition in conditions for leaf in leaves(condition))
    return list(dict.fromkeys(name for name in found if isinstance(name, str)))


@dataclass(frozen=True)
class Measure:
    """A figure of a customer's events: how often, or the sum, average or number of different values of an attribute.

    `events` is a `did` rule that chooses the events; `attribute` is None for how often.
    """

    kind: Literal["times", "sum", "average", "distinct"]
    attribute: str | None
    events: Leaf

    def __str__(self) -> str:
        return self.events.text if self.attribute is None else f"{self.kind}: {self.attribute}, {self.events.text}"


@dataclass(frozen=True)
class Audience:
    """A condition, then at most one of `top` (the highest by a score) and `sample`, applied last.

    by: a segment's score, a profile field, a trait, or a figure of events. top_of: whether the highest are taken of the
    customers who can get the message, or of everyone for whom the condition holds.
    """

    condition: Condition
    top: int | TopShare | None = None
    by: str | Measure | None = None
    top_of: Literal["reachable", "everyone"] = "reachable"
    sample: float | None = None


# Components that a file names


@dataclass(frozen=True)
class Using:
    """A component named by the file, with its validated options; `name` is a key of config.yaml's `models:` or a
    registered component's name."""

    name: str
    options: BaseModel | None = None
