"""Features of the campaign file that are not built yet; remove a feature's line when it is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automation.config.problems import KeyPath
from automation.config.reading import Reading

ANY = object()
"""The key itself is not built, whatever its value."""

KEYS: Mapping[KeyPath, object] = {
    ("starts_when",): ANY,
    ("steps",): ANY,
    ("stop_when",): ANY,
    ("per",): ("cart", "order", "product"),
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


def is_unbuilt(values: object, value: Any) -> bool:
    """Whether a rule's value is one of those not built."""
    return isinstance(values, tuple) and value in values


def refuse_unbuilt(reading: Reading) -> None:
    """Report every feature of the file that is not built."""
    for path, values in KEYS.items():
        value = reading.source.get(path)
        if path in reading.source.keys and (values is ANY or is_unbuilt(values, value)):
            written = path[-1] if values is ANY else f"{path[-1]}: {value}"
            what = f"`{written}` is part of the language but not built yet"
            reading.report(path, what, key=True, severity="not_built")
