"""Reads config.yaml, with checks across its sections."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from automation.config.entries import SETTINGS_READERS
from automation.config.model_builder import build_model
from automation.config.problems import Problem, sort_problems, unknown_name
from automation.config.reading import Broken, Reading
from automation.config.reference_loops import find_loops
from automation.config.settings import MODEL_KINDS, NAME, WELL_NAMED, Settings
from automation.config.source_map import SourceMap, read_file
from automation.plugin_manager import Registry
from automation.types.condition import referred_segments
from automation.types.offer import NO_DISCOUNT, NO_MESSAGE
from automation.types.query import WrittenQuery

FILE = "config.yaml"
BUILT_IN_OFFERS = (NO_MESSAGE, NO_DISCOUNT)


@dataclass(frozen=True)
class KnownNames:
    """The names that files may use, by section; and each model's kind, "" if its own entry is wrong."""

    names: Mapping[str, Collection[str]]
    models: Mapping[str, str]


def with_built_in_names(sections: Mapping[str, Collection[str]], models: Mapping[str, str]) -> KnownNames:
    """The sections' names, with the built-in ones."""
    segmenters = [name for name, kind in models.items() if kind in ("segmenters", "")]
    names = {
        **sections,
        "offers": [*sections["offers"], *BUILT_IN_OFFERS],
        "segments": [*sections["segments"], *segmenters],
    }
    return KnownNames(names, models)


def known_as_written(source: SourceMap, registry: Registry) -> KnownNames:
    """The names in config.yaml, whether or not their entries are valid."""
    sections: dict[str, Collection[str]] = {
        name: _keys(source, name) for name in ("topics", "offers", "channels", "segments")
    }
    queries = {
        name: WrittenQuery(str(source.get(("conditions", name, "sql"))), _place(source, name))
        for name in _keys(source, "conditions")
    }
    return with_built_in_names({**sections, "conditions": queries}, _model_kinds(source, registry))


def disabled_plugins(root: Path) -> tuple[str, ...]:
    """`plugins.disable`, needed before the plugins load; empty if config.yaml can't be read."""
    _, source = read_file(root / FILE, FILE)
    names = source.get(("plugins", "disable"))
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def redirected_to(root: Path) -> str | None:
    """`testing.redirect_all` as written, for a warning before anything else is read."""
    _, source = read_file(root / FILE, FILE)
    to = source.get(("testing", "redirect_all"))
    return to if isinstance(to, str) else None


def read_settings(
    source: SourceMap, registry: Registry, environment: Mapping[str, str]
) -> tuple[Settings | None, tuple[Problem, ...]]:
    """The settings, or None if a problem refuses them."""
    if source.value is None:
        return None, source.problems
    names = known_as_written(source, registry)
    reading = Reading(source, registry, names.names, names.models, SETTINGS_READERS, environment)
    settings = build_model(reading, Settings, source.value, ())
    _check_names(reading)
    _check_caps(reading)
    if not isinstance(settings, Broken):
        placed = {name: condition.at(_place(source, name)) for name, condition in settings.conditions.items()}
        settings = settings.model_copy(update={"conditions": placed})
        _check_segments(reading, settings)
        _check_parts(reading, settings)
        _check_consent(reading, settings)
    problems = sort_problems((*source.problems, *reading.problems))
    made = None if isinstance(settings, Broken) or any(problem.refuses for problem in problems) else settings
    return made, problems


def _place(source: SourceMap, condition: str) -> str:
    return f"{FILE}:{source.place(('conditions', condition, 'sql')).line}"


def _keys(source: SourceMap, key: str) -> list[str]:
    value = source.get((key,))
    return list(value) if isinstance(value, dict) else []


def _model_kinds(source: SourceMap, registry: Registry) -> dict[str, str]:
    found = {}
    for name in _keys(source, "models"):
        using = source.get(("models", name, "using"))
        wanted = source.get(("models", name, "kind"))
        kinds = [kind for kind in MODEL_KINDS if isinstance(using, str) and using in registry.components[kind]]
        found[name] = wanted if wanted in kinds else next(iter(kinds), "")
    return found


# Checks across sections


def _check_names(reading: Reading) -> None:
    for section in ("topics", "offers", "models", "segments", "conditions", "channels"):
        for name in _keys(reading.source, section):
            if not NAME.fullmatch(name):
                reading.report((section, name), WELL_NAMED, key=True)
    for name in BUILT_IN_OFFERS:
        if name in _keys(reading.source, "offers"):
            reading.report(("offers", name), "is built in and can't be redefined", key=True)
    for name in set(_keys(reading.source, "models")) & set(_keys(reading.source, "segments")):
        reading.report(("segments", name), "is also the name of a model; choose another", key=True)


def _check_caps(reading: Reading) -> None:
    """Caps may only name channels and topics that exist."""
    for section, noun in (("channels", "channel"), ("topics", "topic")):
        caps = reading.source.get(("caps", section))
        for name in caps if isinstance(caps, dict) else ():
            if name not in _keys(reading.source, section):
                what = unknown_name(noun, str(name), _keys(reading.source, section))
                reading.report(("caps", section, name), what, key=True)


def _check_segments(reading: Reading, settings: Settings) -> None:
    """No segment may refer to itself, directly or through others."""
    for loop in find_loops({name: referred_segments(condition) for name, condition in settings.segments.items()}):
        what = f"the segment refers to itself: {' → '.join(loop)}"
        reading.report(("segments", loop[0]), what, key=True)


def _check_parts(reading: Reading, settings: Settings) -> None:
    for name, model in settings.models.items():
        for number, part in enumerate(model.parts):
            if part not in settings.models:
                what = unknown_name("model", part, list(settings.models))
                reading.report(("models", name, "parts", number), what)
    built_on = {name: list(model.parts) for name, model in settings.models.items()}
    for loop in find_loops(built_on):
        path = ("models", loop[0], "parts")
        reading.report(path, f"the model depends on itself: {' → '.join(loop)}", key=True)


def _check_consent(reading: Reading, settings: Settings) -> None:
    """The message that asks for a confirmation must need no consent, and its link needs an address."""
    profiling = settings.consent.profiling
    if profiling is not None and settings.topics.get(profiling) == "marketing":
        what = f"{profiling!r} is a marketing topic, so nobody would agree without a yes; use a service topic"
        reading.report(("consent", "profiling"), what)
    tracking = settings.consent.tracking
    if tracking is not None and settings.topics.get(tracking) == "service":
        what = f"{tracking!r} is a service topic, which counts without a yes; use a marketing topic"
        reading.report(("consent", "tracking"), what)
    for topic, asked in settings.consent.double_opt_in.items():
        path = ("consent", "double_opt_in", topic)
        if topic not in settings.topics:
            reading.report(path, unknown_name("topic", topic, list(settings.topics)), key=True)
        if settings.topics.get(asked.topic) == "marketing":
            what = f"{asked.topic!r} is a marketing topic, which needs that consent already; use a service topic"
            reading.report((*path, "topic"), what)
        if settings.links.base_url is None:
            what = "needs `links: {base_url: …}`, where the confirmation link leads"
            reading.report(path, what, key=True)
    for topic in settings.consent.text_versions:
        if topic not in settings.topics:
            what = unknown_name("topic", topic, list(settings.topics))
            reading.report(("consent", "text_versions", topic), what, key=True)
