"""Reads the components that a file names, with their options; and secrets, from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automation.config.audiences import read_audience
from automation.config.conditions import read_condition, read_where
from automation.config.environment import find_refusal
from automation.config.model_builder import build_model
from automation.config.problems import KeyPath, list_choices, unknown_name
from automation.config.reading import BROKEN, Broken, Form, Reader, Reading
from automation.plugin_manager import KINDS
from automation.types.condition import Audience, Group, Leaf, Using, Where
from automation.types.secret import VARIABLE, Secret


def read_using(reading: Reading, form: Form, raw: Any, path: KeyPath, parent: Mapping[str, Any]) -> Using | Broken:
    """`using: NAME` next to `options:`; elsewhere a bare name, or `{using, options}`."""
    assert form.names is not None
    if isinstance(raw, dict):
        return _nested(reading, form, raw, path)
    if not isinstance(raw, str):
        return reading.report(path, f"must be the name of {_a(KINDS[form.names.what])}")
    if path[-1] == "using":
        return read_component(reading, form.names.what, raw, path, (parent.get("options"), (*path[:-1], "options")))
    return read_component(reading, form.names.what, raw, path, (None, path))


def _nested(reading: Reading, form: Form, raw: dict[str, Any], path: KeyPath) -> Using | Broken:
    assert form.names is not None
    extra = next((key for key in raw if key not in ("using", "options")), None)
    if extra is not None:
        what = "unknown key; allowed: using, options"
        return reading.report((*path, extra), f"{what} (a component's own settings go under options)", key=True)
    here = (*path, "using")
    name = raw.get("using")
    if here in reading.source.spoiled:
        return BROKEN
    if not isinstance(name, str):
        known = list_choices(reading.registry.names(form.names.what))
        return reading.report(here if name is not None else path, f"needs `using`: one of {known}", key=True)
    return read_component(reading, form.names.what, name, here, (raw.get("options"), (*path, "options")))


def read_component(
    reading: Reading, kind: str, name: str, path: KeyPath, written: tuple[Any, KeyPath]
) -> Using | Broken:
    """A model of config.yaml, or a registered component. written: the options and their path."""
    options, options_path = written
    if name in reading.models:
        if not reading.models[name]:
            return BROKEN  # reported at its own entry in config.yaml
        if reading.models[name] != kind:
            what = f"{name!r} is {_a(KINDS[reading.models[name]])}, not {_a(KINDS[kind])}"
            return reading.report(path, what)
        if options is not None:
            what = f"the options of the model {name!r} are set in config.yaml, under models.{name}"
            return reading.report(options_path, what, key=True)
        return Using(name)
    if name not in reading.registry.names(kind):
        models = [model for model, its_kind in reading.models.items() if its_kind == kind]
        known = {*models, *reading.registry.names(kind)}
        return reading.report(path, unknown_name(KINDS[kind], name, known))
    return build_component(reading, kind, name, options, options_path)


def build_component(reading: Reading, kind: str, name: str, options: Any, path: KeyPath) -> Using | Broken:
    """A registered component with its options, validated by the component's own model."""
    if path in reading.source.spoiled:
        return BROKEN
    if path in reading.source.empty:
        return reading.report(path, "has no value; write one, or remove the key", key=True)
    made = build_model(reading, reading.registry.find(kind, name).Options, {} if options is None else options, path)
    return BROKEN if isinstance(made, Broken) else Using(name, made)


def read_secret(
    reading: Reading, form: Form, raw: Any, path: KeyPath, parent: Mapping[str, Any]
) -> Secret | Broken | None:
    """`${NAME}` from the environment; the secret itself is never in a file, nor in a problem's text."""
    if raw is None:
        return None
    match = VARIABLE.fullmatch(raw) if isinstance(raw, str) else None
    if match is None:
        example = next(part for part in reversed(path) if isinstance(part, str)).upper()
        return reading.report(
            path, f"a secret must not be in a file; write ${{{example}}} and set it in the environment"
        )
    if refusal := find_refusal(reading.environment, match[1]):
        return reading.report(path, refusal)
    value = reading.environment.get(match[1])
    if not value:
        return reading.report(path, f"the environment variable {match[1]} is not set")
    return Secret(value)


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


READERS: Mapping[Any, Reader] = {
    Leaf: read_condition,
    Group: read_condition,
    Where: read_where,
    Audience: read_audience,
    Using: read_using,
    Secret: read_secret,
}
"""The readers of the types that pydantic must not get as raw YAML."""
