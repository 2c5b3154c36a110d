"""Words in the files that the data has never held: warnings, since new events and values exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from automation.config.campaigns import CampaignFile, known_in
from automation.config.problems import KeyPath, Problem, in_order, unknown_name
from automation.config.project import Project
from automation.config.settings_file import FILE
from automation.config.source_map import Source, read_file, read_source
from automation.config.wording import show
from automation.types.seen import Seen

PROFILE = ("recency_days", "frequency", "monetary", "first_purchase_at", "last_purchase_at")
_EQUALS = ("is", "is_not", "in", "not_in")
_TYPES: Mapping[str, tuple[type, ...]] = {"text": (str,), "number": (int, float), "integer": (int,), "boolean": (bool,)}


def check_against(project: Project, seen: Seen) -> tuple[Problem, ...]:
    """Warnings with near misses for every event type, trait and trait value that the data has never held."""
    found: list[Problem] = []
    _, settings = read_file(project.root / FILE, FILE)
    found += _check(settings, settings.get(("segments",)), ("segments",), seen)
    for file in project.campaigns.values():
        found += _check_campaign(project, file, seen)
    return in_order(found)


def _check_campaign(project: Project, file: CampaignFile, seen: Seen) -> Iterator[Problem]:
    source = read_source(file.text, file.path)
    yield from _check(source, source.value, (), seen)
    by, path = source.get(("audience", "by")), ("audience", "by")
    known = {*known_in(project.settings).names["segments"], *PROFILE, *seen.traits}
    if isinstance(by, str) and by not in known:
        yield source.problem(path, unknown_name("segment, profile value or trait", by, known), severity="warning")


def _check(source: Source, value: Any, path: KeyPath, seen: Seen) -> Iterator[Problem]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _check(source, item, (*path, number), seen)
    elif isinstance(value, dict):
        yield from _check_events(source, value, path, seen)
        yield from _check_trait(source, value, path, seen)
        for key, item in value.items():
            yield from _check(source, item, (*path, key), seen)


def _check_events(source: Source, rule: dict[str, Any], path: KeyPath, seen: Seen) -> Iterator[Problem]:
    for key in ("did", "did_not"):
        event = rule.get(key)
        if isinstance(event, str) and event not in seen.event_types:
            what = f"the data has no event {event!r} yet; {_known(event, seen.event_types)}"
            yield source.problem((*path, key), what, severity="warning")


def _check_trait(source: Source, rule: dict[str, Any], path: KeyPath, seen: Seen) -> Iterator[Problem]:
    name = rule.get("trait")
    if not isinstance(name, str):
        return
    trait = seen.traits.get(name)
    if trait is None:
        what = f"the data has no trait {name!r}; {_known(name, seen.traits)}"
        yield source.problem((*path, "trait"), what, severity="warning")
        return
    for operator in _EQUALS:
        written = rule.get(operator)
        for number, value in enumerate(written if isinstance(written, list) else [written]):
            here = (*path, operator, number) if isinstance(written, list) else (*path, operator)
            if value is None:
                continue
            if not _fits(value, trait.type):
                what = f"the trait {name!r} is {trait.type}, and {show(value)} is not"
                yield source.problem(here, what, severity="warning")
            elif trait.values is not None and value not in trait.values:
                what = (
                    f"the trait {name!r} has never been {show(value)}; {_known(value, {str(v) for v in trait.values})}"
                )
                yield source.problem(here, what, severity="warning")


def _fits(value: object, column: str) -> bool:
    wanted = _TYPES.get(column, (object,))
    return isinstance(value, wanted) and (column == "boolean" or not isinstance(value, bool))


def _known(word: object, choices: Any) -> str:
    """`it has: a, b (did you mean 'a'?)`."""
    return (
        unknown_name("", word, choices)
        .split("; ", 1)[1]
        .replace("there are", "it has")
        .replace("none are defined", "it has none")
    )
