"""Conditions that can hold for nobody, whatever the data: found by looking at what is written."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

from automation.rules.did import DidNotOptions, DidOptions
from automation.rules.leaf_set import leaf_identity
from automation.rules.operators import Operators
from automation.rules.profile import ProfileOptions
from automation.rules.segment import SegmentOptions
from automation.rules.trait import TraitOptions
from automation.rules.window import Span
from automation.types.condition import Condition, Leaf, leaves
from automation.types.quantity import Money

_EXACT = ("is", "in")
_BOUNDS = ("at_least", "at_most", "more_than", "less_than", "between")
_OPEN = ("exists", "is_not", "not_in")


def find_contradictions(condition: Condition, named: Collection[str]) -> Iterator[tuple[str, str]]:
    """The path of each rule that can't hold beside another, or ever, and why. named: segments that are conditions."""
    yield from _contradictions(condition, True, named)


def find_future_spans(condition: Condition, today: date) -> Iterator[tuple[str, str]]:
    """The path of each rule about days that are still to come, and what that means. today: the shop's."""
    for leaf in leaves(condition):
        options = leaf.options
        if not isinstance(options, Span):
            continue
        inner = (getattr(options, name, None) for name in ("first", "last"))
        for days in (span.days() for span in (options, *inner) if isinstance(span, Span)):
            if days is not None and days[0] > today.toordinal():
                yield leaf.path, f"holds for nobody before {date.fromordinal(days[0])}: its days are still to come"
            elif days is not None and isinstance(options, DidNotOptions) and _is_open(days, today):
                over = date.fromordinal(days[1])
                yield leaf.path, f"holds for nobody until {over} is over, since the event may still happen"


def _is_open(days: tuple[int, int], today: date) -> bool:
    """Whether a span with a last day is not over yet."""
    return today.toordinal() <= days[1] < date.max.toordinal()


def _contradictions(condition: Condition, truth: bool, named: Collection[str]) -> Iterator[tuple[str, str]]:
    together = list(_together(condition, truth))
    leaves = [(part, true) for part, true in together if isinstance(part, Leaf)]
    for leaf, true in leaves:
        if true and (why := _never(leaf, named)):
            yield leaf.path, why
    for (one, true), (other, also) in combinations(leaves, 2):
        if why := _excludes(one, true, other, also):
            yield other.path, f"can never hold beside {one.path}: {why}"
    for part, true in together:
        if not isinstance(part, Leaf):
            for branch in part.parts:
                yield from _contradictions(branch, true, named)


def _together(condition: Condition, truth: bool) -> Iterator[tuple[Condition, bool]]:
    """The parts that must all have their truth: rules, and groups of which any part is enough."""
    if isinstance(condition, Leaf):
        yield condition, truth
    elif condition.kind == "not":
        yield from _together(condition.parts[0], not truth)
    elif (condition.kind == "all") == truth:
        for part in condition.parts:
            yield from _together(part, truth)
    else:
        yield condition, truth


def _never(leaf: Leaf, named: Collection[str]) -> str | None:
    options = leaf.options
    if isinstance(options, SegmentOptions) and options.segment in named:
        asked = "score" if options.score is not None else "label" if options.label is not None else None
        if asked is not None:
            return f"can never hold: the segment {options.segment!r} is a condition, which gives nobody a {asked}"
    return None


def _excludes(one: Leaf, true: bool, other: Leaf, also: bool) -> str | None:
    if leaf_identity(one) == leaf_identity(other) and true != also:
        return "it is the same rule, negated"
    done, undone = _done(one, true) or _done(other, also), _undone(one, true) or _undone(other, also)
    if done is not None and undone is not None and done.event == undone.event and _within(done.ages, undone.ages):
        return f"who did {done.event} then did not do it"
    if not (true and also) or _subject(one) is None or _subject(one) != _subject(other):
        return None
    assert isinstance(one.options, Operators)
    assert isinstance(other.options, Operators)
    return None if _overlap(one.options, other.options) else f"no value of {_name(one)} satisfies both"


# Values of a trait or a profile field


def _subject(leaf: Leaf) -> tuple[str, str] | None:
    return (leaf.key, _name(leaf)) if isinstance(leaf.options, TraitOptions | ProfileOptions) else None


def _name(leaf: Leaf) -> str:
    options = leaf.options
    return options.trait if isinstance(options, TraitOptions) else str(getattr(options, "profile", ""))


def _overlap(one: Operators, other: Operators) -> bool:
    """Whether some value can satisfy both; true where that can't be told."""
    for test, beside in ((one, other), (other, one)):
        if test.operator == "exists" and test.operand is False:
            return beside.operator in _OPEN and not (beside.operator == "exists" and beside.operand is True)
    values, others = _values(one), _values(other)
    if values is not None and others is not None:
        return bool(values & others)
    for held, test in ((values, other), (others, one)):
        if held is not None and test.operator in ("is_not", "not_in"):
            return bool(held - set(test.operand if test.operator == "not_in" else (test.operand,)))
    span, beside_span = _range(one), _range(other)
    if span is None or beside_span is None or span.unit != beside_span.unit:
        return True
    low, high = max(span.low, beside_span.low), min(span.high, beside_span.high)
    return low < high or (low == high and span.holds(low) and beside_span.holds(low))


def _values(test: Operators) -> set[Any] | None:
    if test.operator not in _EXACT:
        return None
    return set(test.operand) if test.operator == "in" else {test.operand}


@dataclass(frozen=True)
class _Range:
    """Numbers from low to high; an open end is not in it."""

    low: Decimal
    high: Decimal
    unit: str
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: Decimal) -> bool:
        return not (self.open_low and value == self.low) and not (self.open_high and value == self.high)


def _range(test: Operators) -> _Range | None:
    name = test.operator
    if name not in (*_BOUNDS, "is"):
        return None
    ends = [_number(end) for end in (test.operand if name == "between" else [test.operand])]
    if None in ends:
        return None
    numbers, unit = [end[0] for end in ends if end], next(end[1] for end in ends if end)
    low = numbers[0] if name in ("at_least", "more_than", "between", "is") else Decimal("-Infinity")
    high = numbers[-1] if name in ("at_most", "less_than", "between", "is") else Decimal("Infinity")
    return _Range(low, high, unit, name == "more_than", name == "less_than")


def _number(value: Any) -> tuple[Decimal, str] | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, Money):
        return value.amount, value.currency
    if isinstance(value, timedelta):
        return Decimal(value.total_seconds()), "seconds"
    return (Decimal(str(value)), "") if isinstance(value, int | float | Decimal) else None


# What a customer did and did not do


@dataclass(frozen=True)
class _Deed:
    """An event and how long ago it was; None for any time, or for days that the file names."""

    event: str
    ages: tuple[timedelta, timedelta] | None


def _done(leaf: Leaf, true: bool) -> _Deed | None:
    """What a customer must have done at least once."""
    options = leaf.options
    if isinstance(options, DidOptions) and true:
        return _Deed(options.did, options.ages())
    return None


def _undone(leaf: Leaf, true: bool) -> _Deed | None:
    """What a customer must not have done even once."""
    options = leaf.options
    if isinstance(options, DidNotOptions) and true and _is_plain(options):
        return _Deed(options.did_not, options.ages())
    if isinstance(options, DidOptions) and not true and _is_plain(options):
        return _Deed(options.did, options.ages())
    return None


def _is_plain(options: DidOptions | DidNotOptions) -> bool:
    """Whether any event of the type in the span counts."""
    given = options.model_fields_set - {"did", "did_not", "in_the_last", "between"}
    return not given and options.days() is None


def _within(ages: tuple[timedelta, timedelta] | None, span: tuple[timedelta, timedelta] | None) -> bool:
    if span is None:
        return True
    return ages is not None and span[0] <= ages[0] and ages[1] <= span[1]
