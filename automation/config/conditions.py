"""Reads conditions and audiences: groups, and leaves, each by the rule that its key names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automation.config.model_builder import build_model
from automation.config.not_built import RULE_KEYS, is_unbuilt
from automation.config.problems import KeyPath, did_you_mean, list_choices, spell_path, unknown_name
from automation.config.reading import BROKEN, Broken, Form, Reading
from automation.config.wording import show_value
from automation.contracts import NamesCondition
from automation.types.condition import Audience, Condition, Group, Leaf
from automation.types.quantity import parse_percent

EVERYONE = Group("all", ())
GROUPS = ("all", "any", "not")
_NARROWING = ("top", "by", "sample")


def read_condition(
    reading: Reading, form: Form, raw: Any, path: KeyPath, parent: Mapping[str, Any]
) -> Condition | Broken:
    """`everyone`, a group, or one rule."""
    if path in reading.source.spoiled:
        return BROKEN
    if raw == "everyone":
        return EVERYONE
    if isinstance(raw, list):
        return reading.report(path, "a list needs `all` or `any`; write {all: [...]} or {any: [...]}")
    if not isinstance(raw, dict):
        hint = did_you_mean(raw, ("everyone",))
        return reading.report(
            path, f"{show_value(raw)} is not a condition; write everyone, all, any, not or a rule{hint}"
        )
    if not raw:
        return reading.report(path, "is empty; write all, any, not or a rule")
    groups = [key for key in raw if key in GROUPS]
    return _group(reading, groups, raw, path) if groups else _leaf(reading, raw, path)


def _group(reading: Reading, groups: list[str], raw: dict[str, Any], path: KeyPath) -> Condition | Broken:
    kind, parts = groups[0], raw[groups[0]]
    beside = next((key for key in raw if key != kind), None)
    if beside is not None:
        what = f"can't be combined with `{kind}`; put it into the list under `{kind}`"
        return reading.report((*path, beside), what, key=True)
    here = (*path, kind)
    if here in reading.source.spoiled:
        return BROKEN
    if kind == "not":
        inner = read_condition(reading, Form(Leaf, None, ()), parts, here, raw)
        return BROKEN if isinstance(inner, Broken) else Group("not", (inner,))
    if not isinstance(parts, list) or not parts:
        return reading.report(here, "must be a list of conditions, at least one", key=True)
    made = [
        read_condition(reading, Form(Leaf, None, ()), part, (*here, number), raw) for number, part in enumerate(parts)
    ]
    sound = tuple(part for part in made if not isinstance(part, Broken))
    if len(sound) < len(made):
        return BROKEN
    return Group("all" if kind == "all" else "any", sound)


def _leaf(reading: Reading, raw: dict[str, Any], path: KeyPath) -> Leaf | Broken:
    rules = reading.registry.components["rules"]
    key = next((key for key in raw if key in rules), None)
    if key is None:
        first = next(iter(raw))
        known = [*GROUPS, *reading.registry.names("rules")]
        what = f"there is no rule {first!r}; rules: {list_choices(known)}{did_you_mean(first, known)}"
        return reading.report((*path, first), what, key=True)
    refused = [name for name in raw if is_unbuilt(RULE_KEYS.get((key, name)), raw[name])]
    for name in refused:
        reading.report((*path, name), _refusal(name, raw[name]), key=True, severity="not_built")
    written = {name: value for name, value in raw.items() if name not in refused}
    options = build_model(reading, reading.registry.find("rules", key).Options, written, path)
    if isinstance(options, Broken):
        return BROKEN
    segment = getattr(options, key) if key == "segment" else None
    if isinstance(segment, str) and segment not in reading.names["segments"]:
        return reading.report((*path, key), unknown_name("segment", segment, reading.names["segments"]))
    if isinstance(options, NamesCondition):
        queries = reading.names["conditions"]
        assert isinstance(queries, Mapping)
        options = options.resolved(queries)
    return Leaf(key, options, spell_path(path), spell_rule(raw))


def _refusal(name: str, value: Any) -> str:
    return f"`{name}: {value}` in a rule is part of the language but not built yet"


def spell_rule(raw: Any) -> str:
    """A rule in one line, as written: `did: purchase, times: at least 2`."""
    if isinstance(raw, dict):
        return ", ".join(f"{key}: {_spell_value(value)}" for key, value in raw.items())
    return _spell_value(raw)


def _spell_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + spell_rule(value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_spell_value(item) for item in value) + "]"
    return value if isinstance(value, str) else show_value(value)


def read_audience(
    reading: Reading, form: Form, raw: Any, path: KeyPath, parent: Mapping[str, Any]
) -> Audience | Broken:
    """A condition, then `top` with `by`, or `sample`."""
    narrowing = {key: raw[key] for key in _NARROWING if key in raw} if isinstance(raw, dict) else {}
    rest = {key: value for key, value in raw.items() if key not in narrowing} if isinstance(raw, dict) else raw
    condition = EVERYONE if narrowing and not rest else read_condition(reading, form, rest, path, parent)
    top = _top(reading, narrowing, path)
    sample = _sample(reading, narrowing, path)
    by = narrowing.get("by")
    if by is not None and not isinstance(by, str):
        by = reading.report((*path, "by"), "must be the name of a segment, a profile value or a trait")
    if isinstance(condition, Broken) or isinstance(by, Broken) or isinstance(top, Broken) or isinstance(sample, Broken):
        return BROKEN
    return Audience(condition, top, by, sample)


def _top(reading: Reading, narrowing: dict[str, Any], path: KeyPath) -> int | Broken | None:
    if "top" not in narrowing:
        return reading.report((*path, "by"), "needs `top`: how many?", key=True) if "by" in narrowing else None
    top, here = narrowing["top"], (*path, "top")
    if isinstance(top, str) and top.endswith(" per piece in stock"):
        what = "`top: ... per piece in stock` is part of the language but not built yet"
        return reading.report(here, what, key=True, severity="not_built")
    if not isinstance(top, int) or isinstance(top, bool) or top < 1:
        return reading.report(here, f"{show_value(top)} must be a whole number of customers, at least 1")
    if "by" not in narrowing:
        return reading.report(here, "needs `by`, the score that ranks the customers; write `by: clv`", key=True)
    return top


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
