"""A condition line by line, as its file has it: every rule and every group, and whether it holds as written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from automation.types.condition import Condition, Group, Leaf

_WORDS = {"all": "all of these", "any": "any of these", "not": "not"}
_INSIDE = re.compile(r"(\.not|(\.(all|any))?\[\d+\])$")


@dataclass(frozen=True)
class ConditionLine:
    """One line.

    path: its place in the file. depth: how many groups with a line of their own it is in. leaf: its rule, which also
    stands under a `not` (`negated`); None for a group. number: the rule's place among the condition's `leaves`.
    """

    path: str
    text: str
    depth: int
    condition: Condition
    leaf: Leaf | None = None
    number: int = -1
    negated: bool = False


def condition_lines(condition: Condition) -> list[ConditionLine]:
    """The lines of a condition. A rule under `not` is one line; `all` at the top has none of its own."""
    if isinstance(condition, Group) and condition.kind == "all":
        numbers = count()
        return [line for part in condition.parts for line in _lines(part, 0, numbers)]
    return list(_lines(condition, 0, count()))


def lines_hold(lines: Sequence[ConditionLine], values: Sequence[bool]) -> list[bool]:
    """Whether each line holds as written. values: whether each of the condition's `leaves` holds."""
    found, passed = [], 0
    for line in lines:
        found.append(holds(line.condition, iter(values[passed:])))
        passed += line.leaf is not None
    return found


def holds(condition: Condition, values: Iterator[bool]) -> bool:
    """Whether the condition holds. values: of its leaves, in order."""
    if isinstance(condition, Leaf):
        return next(values)
    parts = [holds(part, values) for part in condition.parts]
    if condition.kind == "not":
        return not parts[0]
    return all(parts) if condition.kind == "all" else any(parts)


def spell_condition(condition: Condition) -> str:
    """The whole condition in one line."""
    if isinstance(condition, Leaf):
        return condition.text
    if not condition.parts:
        return "everyone" if condition.kind == "all" else "nobody"
    inside = [spell_condition(part) for part in condition.parts]
    if condition.kind == "not":
        return f"not ({inside[0]})"
    return (" and " if condition.kind == "all" else " or ").join(
        f"({text})" if isinstance(part, Group) and part.kind != "not" else text
        for text, part in zip(inside, condition.parts, strict=True)
    )


def path_of(condition: Condition) -> str:
    """The place of a rule or a group in the file; empty for a group of nothing."""
    if isinstance(condition, Leaf):
        return condition.path
    return _INSIDE.sub("", path_of(condition.parts[0])) if condition.parts else ""


def _lines(condition: Condition, depth: int, numbers: Iterator[int]) -> Iterator[ConditionLine]:
    if isinstance(condition, Leaf):
        yield ConditionLine(condition.path, condition.text, depth, condition, condition, next(numbers))
        return
    if condition.kind == "not" and isinstance(condition.parts[0], Leaf):
        leaf = condition.parts[0]
        yield ConditionLine(
            path_of(condition), f"not: {{{leaf.text}}}", depth, condition, leaf, next(numbers), negated=True
        )
        return
    yield ConditionLine(path_of(condition), _WORDS[condition.kind], depth, condition)
    for part in condition.parts:
        yield from _lines(part, depth + 1, numbers)
