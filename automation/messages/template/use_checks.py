"""Checks the names that a template and its texts use, and finds what has to be read of each customer for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from jinja2 import TemplateSyntaxError, nodes

from automation.messages.template.files import KIND_FILES, TemplateError, Templates, project_path
from automation.messages.template.markup import plain_source
from automation.messages.template.pieces import JinjaSource
from automation.messages.template.sandbox import Sandbox
from automation.messages.template.source import join, join_text
from automation.messages.template.texts import Phrase
from automation.messages.template.uses import Needs, Use, find_uses
from automation.messages.template.variables import BY_PATH, ITEM, OPEN, Path, names_below
from automation.types.shown_values import LAST_ORDER, PROFILE, ShownValues

_HELD = frozenset({PROFILE, LAST_ORDER})
"""What must not be used where it may be empty; a template can't know of the others whether they are."""
_ROOTS = ("subject", "preheader")


@dataclass(frozen=True)
class Placed:
    """A use, with the source that it stands in."""

    use: Use
    source: JinjaSource
    file: str

    def problem(self, what: str) -> TemplateError:
        tag = self.source.origins.get(self.use.line)
        if tag is None:
            return TemplateError(self.file, None, what)
        return TemplateError(tag.file, tag.line, f"{tag}: {what}")


@dataclass(frozen=True)
class _Parsed:
    tree: nodes.Template
    source: JinjaSource
    file: str


def read_uses(
    environment: Sandbox,
    templates: Templates,
    template: str,
    texts: Iterable[Mapping[str, Phrase]],
    subjects: Sequence[Phrase] = (),
) -> list[Placed]:
    """Every use in the template's files and in its texts, and in the campaign's subjects. texts: of each language.

    What can't be read or parsed is left out: it is reported when it is compiled.
    """
    paths = dict.fromkeys(f"{template}/{name}" for names in KIND_FILES.values() for name in names)
    bodies = [parsed for path in paths if path in templates.files for parsed in _file(environment, templates, path)]
    bodies += [parsed for phrase in subjects for parsed in _phrase(environment, phrase)]
    written = [placed for parsed in bodies for placed in _uses(parsed)]
    found = {(placed.use, placed.file): placed for placed in written}
    for phrases in texts:
        found |= {(placed.use, placed.file): placed for placed in _texts(environment, written, phrases)}
    return list(found.values())


def shown_values(uses: Iterable[Placed]) -> ShownValues:
    """What has to be read of each customer."""
    paths = {placed.use.path[:2] for placed in uses}
    profile = {path[1] for path in paths if path[0] == PROFILE and path in BY_PATH and len(path) > 1}
    order = {"day" if len(path) == 1 else path[1] for path in paths if path[0] == LAST_ORDER and path in BY_PATH}
    order |= {"day"} if order else set()  # which customers who never bought don't have
    return ShownValues(tuple(sorted(profile)), tuple(sorted(order)))


def find_unfit_uses(uses: Iterable[Placed]) -> list[TemplateError]:
    """Names that do not exist, and values that may be empty where they are used."""
    problems = {}
    for placed in uses:
        what = _unknown(placed.use) or _empty(placed.use)
        if what:
            problem = placed.problem(what)
            problems[str(problem)] = problem
    return list(problems.values())


def _file(environment: Sandbox, templates: Templates, path: str) -> Iterator[_Parsed]:
    try:
        source = plain_source(join(templates, path))
    except TemplateError:
        return
    yield from _parsed(environment, source, project_path(path))


def _phrase(environment: Sandbox, phrase: Phrase) -> Iterator[_Parsed]:
    if "{" not in phrase.text:  # it uses nothing, as most texts; parsing one takes 0.5 ms
        return
    try:
        source = plain_source(join_text(phrase.text, phrase.file, phrase.line))
    except TemplateError:
        return
    yield from _parsed(environment, source, phrase.file)


def _parsed(environment: Sandbox, source: JinjaSource, file: str) -> Iterator[_Parsed]:
    try:
        yield _Parsed(environment.parse(source.text), source, file)
    except (TemplateSyntaxError, RecursionError):
        return


def _uses(parsed: _Parsed, known: frozenset[Path] = frozenset()) -> list[Placed]:
    try:
        return [Placed(use, parsed.source, parsed.file) for use in find_uses(parsed.tree, known)]
    except RecursionError:
        return []


def _texts(environment: Sandbox, written: Sequence[Placed], phrases: Mapping[str, Phrase]) -> Iterator[Placed]:
    """The uses in one language's texts that are used. What is known to have a value at every place that uses a text is
    known in the text."""
    known: dict[str, frozenset[Path]] = {}
    parsed: dict[str, list[_Parsed]] = {}
    uses: dict[str, list[Placed]] = {}
    waiting = [*_texts_used(written), *((name, frozenset[Path]()) for name in _ROOTS)]
    while waiting:
        name, there = waiting.pop()
        now = there & known.get(name, there)
        if name not in phrases or known.get(name) == now:
            continue
        known[name] = now
        if name not in parsed:
            parsed[name] = list(_phrase(environment, phrases[name]))
        uses[name] = [placed for one in parsed[name] for placed in _uses(one, now)]
        waiting += _texts_used(uses[name])
    return (placed for some in uses.values() for placed in some)


def _texts_used(uses: Iterable[Placed]) -> Iterator[tuple[str, frozenset[Path]]]:
    """The texts by name, with what is known to have a value where each is used."""
    for placed in uses:
        if placed.use.path[0] == "text" and len(placed.use.path) > 1:
            yield placed.use.path[1], placed.use.known


def _unknown(use: Use) -> str:
    path = use.path
    if path[0] in OPEN or (path[0],) not in BY_PATH:
        return ""  # checked elsewhere
    for length in range(2, len(path) + 1):
        if path[:length] not in BY_PATH:
            return _no_such_name(path[: length - 1], path[length - 1])
    if use.path == (PROFILE,) or (use.path == (LAST_ORDER,) and use.needs is Needs.VALUE):
        return f"name one of its fields, such as {path[0]}.{names_below(path)[0]}"
    return ""


def _no_such_name(above: Path, name: str) -> str:
    known, group = names_below(above), _written(above)
    if name == ITEM:
        return f"{group} is not a list"
    if not known:
        return f"{group} is one value ({BY_PATH[above].kind}), and has no {name!r}"
    if known == [ITEM]:
        return f"{group} is a list; for its entries write {{% for one in {group} %}} … {{% endfor %}}"
    near = get_close_matches(name, known, 1)
    return f"{name!r} is not known; " + (f"did you mean {near[0]}?" if near else f"{group} has: {', '.join(known)}")


def _empty(use: Use) -> str:
    if use.path[0] not in _HELD:
        return ""
    for length in range(1, len(use.path) + 1):
        path = use.path[:length]
        needed = use.needs is Needs.VALUE if length == len(use.path) else use.needs is not Needs.NOTHING
        if needed and path not in use.known and (empty := BY_PATH[path].empty):
            shown = _written(path)
            return (
                f"{shown} is empty {empty}; write {{% if {shown} %}} … {{% endif %}} around it"
                + (f", or {shown}|default('…')" if length == len(use.path) else "")
            )  # fmt: skip
    return ""


def _written(path: Path) -> str:
    """The path as people write it: an entry of `lines` is `line`."""
    if ITEM not in path:
        return ".".join(path)
    last = len(path) - 1 - path[::-1].index(ITEM)
    return ".".join((path[last - 1].removesuffix("s"), *path[last + 1 :]))
