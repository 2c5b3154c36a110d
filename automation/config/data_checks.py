"""Compares the words of the files with the data.

An event type, a value or a campaign that the data has never contained is a warning, since new ones come. A column that
does not exist, or can't be compared like this, is an error: a run could not evaluate the rule.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from automation.config.campaigns import CampaignFile, known_names
from automation.config.problems import KeyPath, Problem, sort_problems, unknown_name
from automation.config.project import Project
from automation.config.settings_file import FILE
from automation.config.source_map import SourceMap, read_file, read_source
from automation.config.wording import show_value
from automation.types.exchange import Exchange
from automation.types.profile import PROFILE_COLUMNS, STAGES
from automation.types.seen import Seen, SeenTrait

PROFILE = {name: SeenTrait(kind) for name, kind in PROFILE_COLUMNS.items() if name != "customer_id"} | {
    "lifecycle": SeenTrait("text", frozenset(STAGES))
}
_EQUALS = ("is", "is_not", "in", "not_in")
_ATTRIBUTES = ("where", "sum", "average", "distinct")
_NUMBERS, _MOMENTS = ("number", "integer"), ("date", "time")
_SUITED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("at_least", "at_most", "more_than", "less_than"), _NUMBERS),
    **dict.fromkeys(("contains", "contains_any", "contains_all", "starts_with", "ends_with", "matches"), ("text",)),
    **dict.fromkeys(("before", "after", "within", "older_than"), _MOMENTS),
    "between": (*_NUMBERS, *_MOMENTS),
    "anniversary": ("date",),
}
_MONEY = re.compile(r"^(?:(?:at least|at most|exactly|more than|less than|[<>=]+) *)?[\d.]+ ?([A-Z]{3})$")
_UNIT = re.compile(r"\d+(\.\d+)? ?([A-Z]{3}|%|s|min|m|h|d|w)")
_WORDS: Mapping[str, str] = {"number": "a number", "integer": "a whole number", "time": "a point in time"}
_TYPES: Mapping[str, tuple[type, ...]] = {"text": (str,), "number": (int, float), "integer": (int,), "boolean": (bool,)}


def check_against(project: Project, seen: Seen) -> tuple[Problem, ...]:
    """A problem, with near misses, for every event type, column and value that the data does not have."""
    found: list[Problem] = []
    _, settings = read_file(project.root / FILE, FILE)
    segments = settings.get(("segments",))
    found += _check(settings, segments, ("segments",), seen)
    found += _check_amounts(settings, project.settings.shop.exchange, seen)
    found += check_money(project, seen)
    for file in project.campaigns.values():
        found += _check_campaign(project, file, seen)
    return sort_problems(found)


def check_money(project: Project, seen: Seen) -> Iterator[Problem]:
    """Money in a rule in a currency other than the shop's, in which all amounts are counted."""
    shop = project.settings.shop.currency
    _, settings = read_file(project.root / FILE, FILE)
    yield from _check_money(settings, settings.get(("segments",)), ("segments",), shop, seen)
    for file in project.campaigns.values():
        source = read_source(file.text, file.path)
        for part in ("audience", "offer"):
            yield from _check_money(source, source.get((part,)), (part,), shop, seen)


def _check_campaign(project: Project, file: CampaignFile, seen: Seen) -> Iterator[Problem]:
    source = read_source(file.text, file.path)
    yield from _check(source, source.value, (), seen)
    yield from _check_campaigns(source, source.value, (), project.campaigns)
    by, path = source.get(("audience", "by")), ("audience", "by")
    known = {*known_names(project.settings).names["segments"], *PROFILE, *seen.traits}
    if isinstance(by, dict) and seen.attributes:
        yield from _check_figure(source, by, path, seen.attributes)
    if isinstance(by, str) and by not in known:
        yield source.problem(path, unknown_name("segment, profile value or trait", by, known))


def _check_figure(
    source: SourceMap, by: dict[str, Any], path: KeyPath, attributes: Mapping[str, SeenTrait]
) -> Iterator[Problem]:
    """The attribute of `by: {did: purchase, sum: amount}`."""
    known = {*attributes, "product", "order"}
    for figure in ("sum", "average", "distinct"):
        name = by.get(figure)
        if not isinstance(name, str):
            continue
        if name not in known:
            what = f"neither events nor products have {name!r}; {_known(name, known)}"
            yield source.problem((*path, figure), what)
        elif figure != "distinct" and (name not in attributes or attributes[name].type not in _NUMBERS):
            yield source.problem((*path, figure), f"the attribute {name!r} is not a number")


def _check(source: SourceMap, value: Any, path: KeyPath, seen: Seen) -> Iterator[Problem]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _check(source, item, (*path, number), seen)
    elif isinstance(value, dict):
        yield from _check_events(source, value, path, seen)
        yield from _check_column(source, value, path, "trait", seen.traits)
        yield from _check_column(source, value, path, "profile", PROFILE)
        if seen.attributes:
            yield from _check_attributes(source, value, path, seen.attributes)
        for key, item in value.items():
            yield from _check(source, item, (*path, key), seen)


def _check_amounts(settings: SourceMap, exchange: Exchange, seen: Seen) -> Iterator[Problem]:
    """Amounts in other currencies, which no sum may count as the shop's own."""
    others = ", ".join(sorted(code for code in seen.currencies if code != exchange.currency))
    if others:
        what = (
            f"the data has amounts in {others}, which can't be counted as {exchange.currency}; state what a unit is "
            f"worth under shop: rates:, and import them again"
        )
        yield settings.problem(("shop",), what, key=True)


def _check_money(source: SourceMap, value: Any, path: KeyPath, shop: str, seen: Seen) -> Iterator[Problem]:
    """A trait is compared in its own currency, if customers have a column `currency`."""
    if isinstance(value, dict) and "trait" in value and ("currency" in seen.traits or not seen.traits):
        return
    for key, part in _parts(value):
        money = _MONEY.search(part) if isinstance(part, str) else None
        if money is not None and money[1] != shop:
            what = f"{part} can't be compared: the amounts are in the shop's currency, {shop}"
            yield source.problem((*path, key), what)
        yield from _check_money(source, part, (*path, key), shop, seen)


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:
    yield from enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()


def _check_campaigns(source: SourceMap, value: Any, path: KeyPath, known: Collection[str]) -> Iterator[Problem]:
    """Campaigns that rules about messages name; only a warning, since a deleted campaign may have sent some."""
    for key, part in _parts(value):
        rule = part if key == "message" else value if key == "not_contacted" else None
        name = rule.get("campaign") if isinstance(rule, dict) else None
        if isinstance(name, str) and name not in known:
            place = (*path, "message", "campaign") if key == "message" else (*path, "campaign")
            yield source.problem(place, unknown_name("campaign", name, known), severity="warning")
        yield from _check_campaigns(source, part, (*path, key), known)


def _check_events(source: SourceMap, rule: dict[str, Any], path: KeyPath, seen: Seen) -> Iterator[Problem]:
    for key in ("did", "did_not"):
        event = rule.get(key)
        if isinstance(event, str) and event not in seen.event_types:
            what = f"the data has no event {event!r} yet; {_known(event, seen.event_types)}"
            yield source.problem((*path, key), what, severity="warning")


def _check_column(
    source: SourceMap, rule: dict[str, Any], path: KeyPath, key: str, columns: Mapping[str, SeenTrait]
) -> Iterator[Problem]:
    """A rule that compares the column that it names: `trait: country, is: DE`."""
    name = rule.get(key)
    if not isinstance(name, str):
        return
    column = columns.get(name, columns.get(name.replace(".", "_")))
    if column is None and name.split(".")[0] in columns:
        return  # a field of a structure, which only some databases have
    if column is None:
        what = f"the data has no {key} {name!r}; {_known(name, columns)}"
        yield source.problem((*path, key), what)
        return
    yield from _check_test(source, rule, path, f"the {key} {name!r}", column)


def _check_attributes(
    source: SourceMap, rule: dict[str, Any], path: KeyPath, attributes: Mapping[str, SeenTrait]
) -> Iterator[Problem]:
    """The attributes in `where`, `sum`, `average`, `distinct` and `most`."""
    known = {*attributes, "product", "order"}
    most = rule.get("most")
    named = [(name, (*path, key, name)) for key in _ATTRIBUTES for name in _keys(rule.get(key))]
    if isinstance(most, dict) and isinstance(most.get("of"), str):
        named.append((most["of"], (*path, "most", "of")))
    for name, place in named:
        if name not in known:
            what = f"neither events nor products have {name!r}; {_known(name, known)}"
            yield source.problem(place, what, key="most" not in place)
    where = rule.get("where")
    for name, test in where.items() if isinstance(where, dict) else ():
        if name in attributes:
            yield from _check_where(source, test, (*path, "where", name), name, attributes[name])


def _check_where(source: SourceMap, test: Any, path: KeyPath, name: str, column: SeenTrait) -> Iterator[Problem]:
    """One test of `where`, short forms included."""
    what = f"the attribute {name!r}"
    if isinstance(test, dict):
        yield from _check_test(source, test, path, what, column)
    else:
        yield from _check_values(source, test, path, what, column)


def _keys(value: Any) -> list[str]:
    return list(value) if isinstance(value, dict) else []


def _check_test(
    source: SourceMap, test: dict[str, Any], path: KeyPath, what: str, column: SeenTrait
) -> Iterator[Problem]:
    for operator, suited in _SUITED.items():
        if operator in test and column.type not in suited:
            text = f"{what} is {_WORDS.get(column.type, column.type)}, which {operator} can't compare"
            yield source.problem((*path, operator), text, key=True)
    for operator in _EQUALS:
        yield from _check_values(source, test.get(operator), (*path, operator), what, column)


def _check_values(source: SourceMap, written: Any, path: KeyPath, what: str, column: SeenTrait) -> Iterator[Problem]:
    for number, value in enumerate(written if isinstance(written, list) else [written]):
        here = (*path, number) if isinstance(written, list) else path
        if value is None:
            continue
        if not _fits(value, column.type):
            text = f"{what} is {_WORDS.get(column.type, column.type)}, and {show_value(value)} is not"
            yield source.problem(here, text)
        elif column.values is not None and value not in column.values:
            text = f"{what} has never been {show_value(value)}; {_known(value, {str(v) for v in column.values})}"
            yield source.problem(here, text, severity="warning")


def _fits(value: object, column: str) -> bool:
    if column in _NUMBERS and isinstance(value, str):
        return _UNIT.fullmatch(value) is not None
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
