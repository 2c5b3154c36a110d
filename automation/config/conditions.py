"""Reads conditions: groups, and leaves, each by the rule that its key names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automation.config.model_builder import build_model
from automation.config.not_built import RULE_KEYS, is_unbuilt
from automation.config.problems import KeyPath, did_you_mean, list_choices, spell_path, unknown_name
from automation.config.reading import BROKEN, Broken, Form, Reading
from automation.config.wording import show_value
from automation.contracts import NamesCondition
from automation.types.condition import Condition, Group, Leaf, Where

EVERYONE = Group("all", ())
GROUPS = ("all", "any", "not")


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
    return _group(reading, groups, raw, path) if groups else read_rule(reading, raw, path)


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


def read_rule(reading: Reading, raw: dict[str, Any], path: KeyPath) -> Leaf | Broken:
    """One rule, by the component that its key names."""
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


def read_where(reading: Reading, form: Form, raw: Any, path: KeyPath, parent: Mapping[str, Any]) -> Where | Broken:
    """Tests of the attributes of the event that `did` names beside them, as the rule `did` reads them."""
    if path in reading.source.spoiled:
        return BROKEN
    did = parent.get("did")
    types = did if isinstance(did, list) else [did]
    first = next((one for one in types if isinstance(one, str) and one), "event")
    options = build_model(
        reading, reading.registry.find("rules", "did").Options, {"did": first, "where": raw}, path[:-1]
    )
    if isinstance(options, Broken):
        return BROKEN
    return Where(Leaf("did", options, spell_path(path), spell_rule({"did": first, "where": raw})))


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
