"""Checks of what starts a campaign and of its steps: keys that need each other, names, and steps nobody reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from automation.config.problems import KeyPath
from automation.config.reading import Reading
from automation.config.settings import NAME, WELL_NAMED
from automation.types.quantity import format_duration, parse_duration

MOST_STEPS = 100
"""More than that is a mistake, or several campaigns in one file."""
MOST_LATENESS = timedelta(days=7)
_STARTS = ("did", "product", "consent_given", "enters")
_BELONGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "where": ("did", ()),
    "quiet_for": ("did", ()),
    "by": ("product", ("price_drop",)),
    "collect": ("product", ("back_in_stock", "price_drop")),
    "in_the_next": ("product", ("runs_out",)),
    "using": ("product", ("runs_out",)),
}
"""Keys of `starts_when` that belong to another key, with some of its values or with any."""


def check_trigger(reading: Reading) -> None:
    """Report keys of `starts_when` that need, exclude or contradict each other."""
    trigger = reading.source.get(("starts_when",))
    if not isinstance(trigger, dict):
        return
    path: KeyPath = ("starts_when",)
    written = [key for key in _STARTS if key in trigger]
    if not written:
        reading.report(path, "nothing starts it; write did, product, consent_given or enters", key=True)
    elif len(written) > 1:
        reading.report((*path, written[1]), f"can't be combined with `{written[0]}`; write another campaign", key=True)
    for key, (owner, values) in _BELONGS.items():
        if key in trigger and (owner not in trigger or (values and trigger[owner] not in values)):
            wanted = f"{owner}: {' or '.join(values)}" if values else owner
            reading.report((*path, key), f"belongs to `{wanted}`", key=True)
    for key in ("in_the_next", "using"):
        if trigger.get("product") == "runs_out" and key not in trigger:
            reading.report((*path, "product"), f"`runs_out` needs `{key}`")
    if trigger.get("product") == "price_drop" and "by" not in trigger:
        reading.report((*path, "product"), "`price_drop` needs `by`; write by: at least 10%")
    lateness = _duration(trigger.get("max_lateness"))
    if lateness is not None and lateness > MOST_LATENESS:
        what = f"{format_duration(lateness)} is more than {format_duration(MOST_LATENESS)}, as long as events are kept"
        reading.report((*path, "max_lateness"), what)


def check_steps(reading: Reading) -> None:
    """Report steps without a message, sends without a name of their own, and steps behind a `stop`."""
    steps = reading.source.get(("steps",))
    if not isinstance(steps, list):
        return
    every = list(walk_steps(steps, ("steps",)))
    sends = [(path, step["send"]) for path, step in every if isinstance(step, dict) and "send" in step]
    if not sends:
        reading.report(("steps",), "nothing is sent; write a step with `send`", key=True)
    if len(every) > MOST_STEPS:
        reading.report(("steps",), f"{len(every)} steps are more than {MOST_STEPS}; write several campaigns", key=True)
    _check_names(reading, sends)
    _check_variants(reading, len(sends))
    for path, step in every:
        _check_wait(reading, path, step)
    _check_stops(reading, steps, ("steps",))


def walk_steps(steps: list[Any], path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """Every step with its path, those in branches included, in the order of the file."""
    for number, step in enumerate(steps):
        here = (*path, number)
        yield here, step
        for below, inner in _arms(step, here):
            yield from walk_steps(inner, below)


def _arms(step: Any, path: KeyPath) -> Iterator[tuple[KeyPath, list[Any]]]:
    """The lists of steps inside a step."""
    if not isinstance(step, dict):
        return
    for key in ("then", "otherwise"):
        if isinstance(step.get(key), list):
            yield (*path, key), step[key]
    branches = step.get("branch")
    for number, branch in enumerate(branches if isinstance(branches, list) else ()):
        for key in ("steps", "otherwise"):
            if isinstance(branch, dict) and isinstance(branch.get(key), list):
                yield (*path, "branch", number, key), branch[key]


def _check_names(reading: Reading, sends: list[tuple[KeyPath, Any]]) -> None:
    """Each send has a name of its own: the ledger, reports and edits know a step by it."""
    seen: set[str] = set()
    for path, send in sends:
        if not isinstance(send, dict):
            continue
        name = send.get("name")
        if name is None:
            template = send.get("template")
            example = template if isinstance(template, str) else "reminder"
            reading.report(
                (*path, "send"), f"needs a `name`, by which people stay at their step; write name: {example}"
            )
        elif isinstance(name, str) and not NAME.fullmatch(name):
            reading.report((*path, "send", "name"), WELL_NAMED)
        elif isinstance(name, str) and name in seen:
            reading.report((*path, "send", "name"), f"{name!r} is the name of another step; write another one")
        else:
            seen.add(str(name))


def _check_variants(reading: Reading, sends: int) -> None:
    """With several messages a variant's own text would replace them all."""
    variants = reading.source.get(("experiment", "variants"))
    if sends < 2 or not isinstance(variants, dict):
        return
    for name, variant in variants.items():
        for key in ("template", "subject"):
            if isinstance(variant, dict) and key in variant:
                path = ("experiment", "variants", name, key)
                reading.report(path, f"would replace the {key} of every step; remove it", key=True)


def _check_wait(reading: Reading, path: KeyPath, step: Any) -> None:
    wait = step.get("wait") if isinstance(step, dict) else None
    until = wait.get("until") if isinstance(wait, dict) else None
    if isinstance(wait, dict) and "when_past" in wait and isinstance(until, str) and not until[:4].isdecimal():
        reading.report((*path, "wait", "when_past"), "has no effect: such a time always comes again", key=True)


def _check_stops(reading: Reading, steps: list[Any], path: KeyPath) -> None:
    """Nobody reaches a step behind `stop`, or behind a branch whose every arm stops."""
    for number, step in enumerate(steps):
        for below, inner in _arms(step, (*path, number)):
            _check_stops(reading, inner, below)
        if _ends(step) and number + 1 < len(steps):
            reading.report(
                (*path, number + 1), "nobody reaches this step: the one before it ends the journey", key=True
            )
            return


def _ends(step: Any) -> bool:
    """Whether nobody goes on behind the step."""
    if step == "stop" or (isinstance(step, dict) and step.get("stop") is True):
        return True
    if not isinstance(step, dict):
        return False
    arms = [inner for _, inner in _arms(step, ())]
    if "wait_for" in step:
        return len(arms) == 2 and all(_stops(arm) for arm in arms)
    branches = step.get("branch")
    last = branches[-1] if isinstance(branches, list) and branches else None
    is_complete = isinstance(last, dict) and "otherwise" in last
    return is_complete and bool(arms) and all(_stops(arm) for arm in arms)


def _stops(steps: list[Any]) -> bool:
    return bool(steps) and _ends(steps[-1])


def _duration(text: object) -> timedelta | None:
    try:
        return parse_duration(text)
    except ValueError:
        return None
