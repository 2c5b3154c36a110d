"""Reads audiences: a condition, then the best of the customers, or a sample of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, get_args

from automation.config.conditions import EVERYONE, read_condition, read_rule
from automation.config.problems import KeyPath, did_you_mean
from automation.config.reading import BROKEN, Broken, Form, Reading
from automation.config.wording import show_value
from automation.types.condition import Audience, Measure
from automation.types.quantity import TopShare, parse_percent, parse_top_share

NARROWING = ("top", "by", "top_of", "sample")
FIGURES: Mapping[str, Literal["sum", "average", "distinct"]] = MappingProxyType(
    {"sum": "sum", "average": "average", "distinct": "distinct"}
)
"""What `by` may ask of an attribute of events; without one of them it counts occasions."""
TESTS = ("times", "first", "last", "most", "every", "for")
"""Options of `did` that test a customer's events together, which ranking has no use for."""
_COLUMNS: Mapping[str, str] = MappingProxyType({"product": "product_id", "order": "order_id"})

TopOf = Literal["reachable", "everyone"]


def read_audience(
    reading: Reading, form: Form, raw: Any, path: KeyPath, parent: Mapping[str, Any]
) -> Audience | Broken:
    """A condition, then `top` with `by` and perhaps `top_of`, or `sample`."""
    narrowing = {key: raw[key] for key in NARROWING if key in raw} if isinstance(raw, dict) else {}
    rest = {key: value for key, value in raw.items() if key not in narrowing} if isinstance(raw, dict) else raw
    condition = EVERYONE if narrowing and not rest else read_condition(reading, form, rest, path, parent)
    top = _top(reading, narrowing, path)
    by = _by(reading, narrowing.get("by"), (*path, "by"))
    top_of = _top_of(reading, narrowing, path)
    sample = _sample(reading, narrowing, path)
    if isinstance(condition, Broken) or isinstance(top, Broken) or isinstance(by, Broken):
        return BROKEN
    if isinstance(top_of, Broken) or isinstance(sample, Broken):
        return BROKEN
    return Audience(condition, top, by, top_of, sample)


def _top(reading: Reading, narrowing: dict[str, Any], path: KeyPath) -> int | TopShare | Broken | None:
    if "top" not in narrowing:
        return reading.report((*path, "by"), "needs `top`: how many?", key=True) if "by" in narrowing else None
    top = _how_many(reading, narrowing["top"], (*path, "top"))
    if isinstance(top, Broken) or "by" in narrowing:
        return top
    what = "needs `by`, the score that ranks the customers; write `by: clv`"
    return reading.report((*path, "top"), what, key=True)


def _how_many(reading: Reading, top: Any, path: KeyPath) -> int | TopShare | Broken:
    if path in reading.source.spoiled:
        return BROKEN
    if isinstance(top, str) and top.endswith(" per piece in stock"):
        what = "`top: ... per piece in stock` is part of the language but not built yet"
        return reading.report(path, what, key=True, severity="not_built")
    if isinstance(top, str) and top.strip().endswith("%"):
        try:
            return parse_top_share(top)
        except ValueError as error:
            return reading.report(path, str(error))
    if not isinstance(top, int) or isinstance(top, bool) or top < 1:
        what = f"{show_value(top)} must be a whole number of customers, at least 1, or a share of them, such as 5%"
        return reading.report(path, what)
    return top


def _top_of(reading: Reading, narrowing: dict[str, Any], path: KeyPath) -> TopOf | Broken:
    here = (*path, "top_of")
    if "top_of" in narrowing and "top" not in narrowing:
        return reading.report(here, "needs `top`: how many?", key=True)
    said = narrowing.get("top_of", "reachable")
    choices: tuple[TopOf, ...] = get_args(TopOf)
    for choice in choices:
        if said == choice:
            return choice
    hint = did_you_mean(said, choices)
    return reading.report(here, f"{show_value(said)} is not known; write reachable or everyone{hint}")


def _by(reading: Reading, raw: Any, path: KeyPath) -> str | Measure | Broken | None:
    """A name, or a figure of events: `{did: purchase, sum: amount, in_the_last: 90d}`."""
    if raw is None or isinstance(raw, str):
        return raw
    if isinstance(raw, dict) and "did" in raw:
        return _measure(reading, raw, path)
    what = "must be the name of a segment, a profile value or a trait, or a figure of events: "
    return reading.report(path, what + "{did: purchase, sum: amount, in_the_last: 90d}")


def _measure(reading: Reading, raw: dict[str, Any], path: KeyPath) -> Measure | Broken:
    figures = [key for key in FIGURES if key in raw]
    test = next((key for key in raw if key in TESTS), None)
    if test is not None:
        what = "tests customers, but `by` only ranks them; put it into a rule"
        return reading.report((*path, test), what, key=True)
    if len(figures) > 1:
        what = f"can't be combined with `{figures[0]}`; write one of them"
        return reading.report((*path, figures[1]), what, key=True)
    events = read_rule(reading, {key: value for key, value in raw.items() if key not in figures}, path)
    if isinstance(events, Broken) or not figures:
        return BROKEN if isinstance(events, Broken) else Measure("times", None, events)
    attribute = raw[figures[0]]
    if not isinstance(attribute, str) or not attribute or " " in attribute:
        what = f"{show_value(attribute)} is not an attribute; write its name, such as amount or quantity"
        return reading.report((*path, figures[0]), what)
    return Measure(FIGURES[figures[0]], _COLUMNS.get(attribute, attribute), events)


def _sample(reading: Reading, narrowing: dict[str, Any], path: KeyPath) -> float | Broken | None:
    if "sample" not in narrowing:
        return None
    here = (*path, "sample")
    if here in reading.source.spoiled:
        return BROKEN
    if "top" in narrowing:
        return reading.report(here, "can't be combined with `top`; write one of them", key=True)
    try:
        share = parse_percent(narrowing["sample"])
    except ValueError as error:
        return reading.report(here, str(error))
    return float(share) if share else reading.report(here, "0% selects nobody; write 10%, or remove the line")
