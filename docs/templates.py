"""The reference of templates: variables, filters, tests, tags and limits, from the code that checks templates."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from automation.messages.render import MAX_SUBJECT
from automation.messages.template import budget, files, markup, source
from automation.messages.template.bounds import jinja_filters, jinja_tests
from automation.messages.template.filters import template_filters
from automation.messages.template.variables import ITEM, VARIABLES, Variable
from automation.plugin_manager import Registry
from automation.warehouse.shown_values import MAX_LINES

# What Jinja's own filters and tests do; the program fails for one that is missing here or that can't be used.
FILTERS: Mapping[str, str] = MappingProxyType(
    {
        "abs": "`-3|abs` → 3",
        "capitalize": "`'green TEA'|capitalize` → Green tea",
        "count": "how many entries a list has, or letters a text; `length` is the same",
        "e": "`escape` in short",
        "escape": "HTML characters made harmless; what a template prints into HTML is escaped anyway",
        "first": "the first entry of a list",
        "float": "a number from a text, with a fraction",
        "int": "a whole number from a text",
        "items": "the names and values of a group, for `{% for name, value in customer|items %}`",
        "last": "the last entry of a list",
        "length": "how many entries a list has, or letters a text",
        "list": "a list of the entries, or of a text's letters",
        "lower": "`'Tea'|lower` → tea",
        "max": "the largest entry of a list",
        "min": "the smallest entry of a list",
        "reject": "the entries for which a test does not hold: `values|reject('none')`",
        "rejectattr": "`items|rejectattr('image_url', 'none')`: the products with a picture",
        "reverse": "a list or a text backwards",
        "select": "the entries for which a test holds",
        "selectattr": "`items|selectattr('price', 'gt', 20)`: the products above 20",
        "sort": "`items|sort(attribute='price')`: the cheapest first; `reverse=true` turns it round",
        "string": "a text from a number",
        "striptags": "a text without HTML elements",
        "title": "`'green tea'|title` → Green Tea",
        "trim": "a text without spaces around it",
        "truncate": "`text.intro|truncate(40)`: at most 40 letters, cut between words, with … at the end",
        "unique": "a list without repetitions",
        "upper": "`'tea'|upper` → TEA",
        "urlencode": "a text as part of a web address",
    }
)
TESTS: Mapping[str, str] = MappingProxyType(
    {
        "boolean": "true or false",
        "defined": "the name exists here; a trait that is empty is defined",
        "divisibleby": "`loop.index is divisibleby 3`",
        "eq": "equal; for `selectattr` and the like, as are `ne`, `lt`, `le`, `gt`, `ge`",
        "even": "an even number",
        "false": "exactly false",
        "ge": "at least",
        "gt": "more than",
        "in": "`customer.country is in ['DE', 'AT']`",
        "le": "at most",
        "lower": "a text in small letters",
        "lt": "less than",
        "mapping": "a group of values",
        "ne": "not equal",
        "none": "empty: the shop does not know",
        "number": "a number",
        "odd": "an odd number",
        "sequence": "a list or a text",
        "string": "a text",
        "true": "exactly true",
        "undefined": "the name does not exist here",
        "upper": "a text in capitals",
    }
)
TAGS: Mapping[str, str] = MappingProxyType(
    {
        "if": "`{% if offer %} … {% elif … %} … {% else %} … {% endif %}`",
        "for": "`{% for item in items %} … {% else %} … {% endfor %}`, with `loop.index`, `loop.first`, `loop.last` …",
        "set": "`{% set name = customer.first_name|default('you') %}`",
        "with": "`{% with product = items[0] %} … {% endwith %}`: the name holds inside only",
        "extends": '`{% extends "layouts/base.mjml" %}`: fills the blocks of a layout; stands first',
        "block": "`{% block body %} … {% endblock %}`: in a layout a place to fill, in a template what fills it",
        "include": '`{% include "layouts/offer.mjml" %}`: another file as if it stood there',
    }
)
PROSE = """\
A name stands between double braces: `{{ customer.first_name }}`. A dot goes into a group; `items[]` is any entry of the
list `items`, as in `{% for item in items %}{{ item.name }}{% endfor %}`. An empty value can't be printed: write
`{{ customer.first_name|default('there') }}`, or `{% if … %}` around it. `validate` refuses names that do not exist, and
fields of `profile` and `last_order` that may be empty without either. Traits are compared with the imported data: one
that it does not have is an error, and with `|default` a warning.
"""


def templates_page(registry: Registry) -> str:
    lines = [PROSE, "## Variables", ""]
    for group in (one for one in VARIABLES if len(one.path) == 1):
        lines += _group(group)
    lines += ["## Filters", "", "| filter | what it does |", "|---|---|"]
    lines += _table(_filters(registry))
    lines += [
        "",
        "## Tests",
        "",
        "After `is`, or in `selectattr` and the like.",
        "",
        "| test | what holds |",
        "|---|---|",
    ]
    lines += _table(_complete(TESTS, jinja_tests()))
    lines += ["", "## Tags", "", "| tag | how it is written |", "|---|---|", *_table(_complete(TAGS, _tags()))]
    lines += [
        "",
        "`{{ super() }}` in a block is the layout's own content of it. Comments stand between `{#` and `#}`. Nothing",
        "else can be used: no macros, imports, calls or `set` blocks.",
        "",
        *_limits(),
        "",
    ]
    return "\n".join(lines)


def _group(group: Variable) -> Iterator[str]:
    yield from (f"### `{group.name}`", "", f"{_sentence(group)}", "")
    below = [one for one in VARIABLES if one.path[0] == group.name and one is not group and one.path[-1] != ITEM]
    if below:
        yield from ("| variable | kind | meaning | empty |", "|---|---|---|---|")
        yield from (_row(f"`{one.name}`", one.kind, one.meaning, one.empty) for one in below)
        yield ""


def _sentence(group: Variable) -> str:
    kind = "" if group.kind in ("group", "list") else f" ({group.kind})"
    empty = f" Empty {group.empty}." if group.empty else ""
    return f"{group.meaning[0].upper()}{group.meaning[1:]}{kind}.{empty}"


def _filters(registry: Registry) -> dict[str, str]:
    ours = {name: _first_line(function) for name, function in template_filters().items()}
    plugins = {
        name: f"{_first_line(function)} From the plugin `{registry.owner('template_filters', name).name}`."
        for name, function in registry.filters().items()
    }
    return dict(sorted({**_complete(FILTERS, jinja_filters()), **ours, **plugins}.items()))


def _complete(said: Mapping[str, str], known: Mapping[str, Any]) -> Mapping[str, str]:
    if wrong := set(said) ^ set(known):
        raise SystemExit(f"docs/templates.py: add these, or remove those that no longer exist: {sorted(wrong)}")
    return said


def _tags() -> dict[str, None]:
    known = (*source.STATEMENTS, *source.JOINED)
    return {name: None for name in known if not name.startswith(("end", "el"))}


def _first_line(function: Any) -> str:
    return inspect.cleandoc(function.__doc__ or "").partition("\n")[0]


def _table(rows: Mapping[str, str]) -> Iterator[str]:
    return (_row(f"`{name}`", meaning) for name, meaning in rows.items())


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _limits() -> Iterator[str]:
    yield from ("## Limits", "", "| what | at most |", "|---|---|")
    limits = {
        "a file": f"{files.MAX_FILE // 1024} KB",
        "all files of `templates/`": f"{files.MAX_FILES:,} files, {files.MAX_TOTAL >> 20} MB",
        "a template with all it includes": f"{source.MAX_SOURCE >> 20} MB, {source.MAX_PIECES:,} tags and texts",
        "layouts and includes inside each other": f"{source.MAX_DEPTH}",
        "elements inside each other": f"{markup.MAX_NESTING}",
        "a rendering": f"{budget.MAX_STEPS:,} steps of loops and filters, {budget.MAX_SECONDS:g} seconds",
        "a rendered message": f"{budget.MAX_OUTPUT:,} characters",
        "a text made by `~`, `+` or `replace`": f"{budget.MAX_TEXT // 1024} KB",
        "a subject or preheader": f"{MAX_SUBJECT} characters, one line",
        "the products of `last_order.lines`": f"{MAX_LINES}, the most expensive ones",
    }
    yield from (_row(what, most) for what, most in limits.items())
