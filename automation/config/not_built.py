"""Features of the campaign file that are not built yet; remove a feature's line when it is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automation.config.journey_checks import walk_steps
from automation.config.problems import KeyPath
from automation.config.reading import Reading

ANY = object()
"""The key itself is not built, whatever its value."""

KEYS: Mapping[KeyPath, object] = {
    ("starts_when", "where"): ANY,
    ("starts_when", "product"): ANY,
    ("starts_when", "enters"): ANY,
    ("per",): ("product",),
    ("experiment", "winner"): ANY,
    ("experiment", "allocate"): ("automatic",),
    ("offer", "budget"): ANY,
    ("offer", "maximize"): ANY,
    ("offer", "per_customer"): ANY,
    ("send", "only_if"): ANY,
    ("send", "fallback"): ANY,
    ("limits", "on_edit"): ("move",),
}
"""Paths of a campaign file that are not built, for any value or for these."""

RULE_KEYS: Mapping[tuple[str, str], object] = {
    ("did", "product"): ("same",),
    ("did_not", "product"): ("same",),
}
"""Keys of a rule whose listed values are not built; another value is left to the rule."""


STEP_KEYS: Mapping[tuple[str, ...], object] = {
    ("send", "only_if"): ANY,
    ("send", "fallback"): ANY,
    ("send", "recommend"): ANY,
    ("send", "offer"): ANY,
    ("wait_for", "where"): ANY,
    ("wait_for", "product"): ANY,
    ("wait_for", "enters"): ANY,
    ("wait", "until", "event"): ANY,
}
"""Paths within a step that are not built."""


_TOGETHER = (("offer", "steps"), ("schedule", "steps"), ("stop_when", "schedule"))
"""Keys that are not built beside each other."""


def is_unbuilt(values: object, value: Any) -> bool:
    """Whether a rule's value is one of those not built."""
    return isinstance(values, tuple) and value in values


def refuse_unbuilt(reading: Reading) -> None:
    """Report every feature of the file that is not built."""
    steps = reading.source.get(("steps",))
    every = walk_steps(steps, ("steps",)) if isinstance(steps, list) else ()
    within = {(*place, *path): values for place, _ in every for path, values in STEP_KEYS.items()}
    for path, values in (*KEYS.items(), *within.items()):
        value = reading.source.get(path)
        if path in reading.source.keys and (values is ANY or is_unbuilt(values, value)):
            written = path[-1] if values is ANY else f"{path[-1]}: {value}"
            _report(reading, path, f"`{written}` is part of the language but not built yet")
    given = reading.source.keys
    for one, other in _TOGETHER:
        is_refused = other == "steps" and ("send",) in given  # as a mistake
        if (one,) in given and (other,) in given and not is_refused:
            _report(reading, (one,), f"`{one}` beside `{other}` is part of the language but not built yet")
    for place in _unbuilt_stops(reading.source.get(("stop_when",)), ("stop_when",)):
        what = "`stop_when` takes only `did: EVENT`, alone or under `any`; anything else is not built yet"
        _report(reading, place, what)


def _unbuilt_stops(stop: Any, path: KeyPath) -> list[KeyPath]:
    """What in `stop_when` is more than one of several events."""
    if not isinstance(stop, dict):
        return []
    parts = stop.get("any")
    if isinstance(parts, list) and list(stop) == ["any"]:
        return [place for no, part in enumerate(parts) for place in _unbuilt_stops(part, (*path, "any", no))]
    return [(*path, key) for key in stop if key != "did"]


def _report(reading: Reading, path: KeyPath, what: str) -> None:
    reading.report(path, what, key=True, severity="not_built")
