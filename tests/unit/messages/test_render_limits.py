"""Hostile templates and hostile values: nothing is reached, and nothing runs for long or grows without bound."""

from __future__ import annotations

import time
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest
from support.shop_context import shop_context

from automation.messages.render import Renderer
from automation.messages.template.files import TemplateError, Templates


def attack(source: str, **changes: Any) -> str:
    """What happens, within a second and 64 MB: the text that comes out, or the refusal."""
    renderer = Renderer(Templates.from_content({"t/sms.txt": source}))
    tracemalloc.start()
    started = time.process_time()
    try:
        return renderer.render("t", "phone", shop_context(**changes)).text
    except TemplateError as error:
        return f"refused: {error.what}"
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 64 * 1024 * 1024
        assert time.process_time() - started < 10


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ ''|attr('__class__') }}",
        "{{ items.append }}",
        "{{ customer.keys }}",
        "{{ customer.keys() }}",
        "{{ items|map(attribute='__class__')|list }}",
        "{{ self.__init__ }}",
        "{{ self }}",
        "{{ loop }}",
        "{% for i in items %}{{ loop.__class__ }}{% endfor %}",
        "{% for i in items %}{{ loop._iterator }}{% endfor %}",
        "{% for i in items %}{{ loop }}{% endfor %}",
        "{{ '{0.__class__}'.format(customer) }}",
        "{{ '%s'|format(customer) }}",
        "{{ '%(a)s' % customer }}",
        "{{ '{}'.format_map(customer) }}",
        "{{ lipsum() }}",
        "{{ lipsum.__globals__ }}",
        "{{ cycler('a') }}",
        "{{ namespace(a=1) }}",
        "{{ range(10) }}",
        "{{ dict(a=1) }}",
        "{{ joiner() }}",
        "{{ get_flashed_messages() }}",
        "{{ _budget }}",
        "{{ customer|_each }}",
        "{{ customer|pprint }}",
        "{{ customer|tojson }}",
        "{{ customer|xmlattr }}",
        "{{ customer }}",
        "{{ text }}",
        "{{ '<b>'|safe }}",
        "{% autoescape false %}{{ customer.first_name }}{% endautoescape %}",
        "{% import 'x' as x %}",
        "{% from 'x' import y %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% call x() %}{% endcall %}",
        "{% filter upper %}a{% endfilter %}",
        "{% set x %}a{% endset %}",
        "{% do items.append(1) %}",
        "{% for i in items recursive %}{{ loop(items) }}{% endfor %}",
        "{% set ns.a = 1 %}",
        "{% debug %}",
    ],
)
def test_hostile_expressions_are_refused(source: str) -> None:
    assert attack(source).startswith("refused: ")


def test_a_secret_beside_the_context_is_not_reached() -> None:
    class Settings:
        password = "hunter2"

    assert attack("{{ shop.settings.password }}", shop={"settings": Settings()}) == (
        "refused: the context's shop.settings is a Settings; only plain values may be rendered"
    )


NESTED = "".join("{% for a" + str(n) + " in items %}" for n in range(30)) + "x" + "{% endfor %}" * 30
DOUBLED = "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}"
ADDED = "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a + a %}" * 60 + "{{ a }}"
LISTS = "{% set a = [1] %}" + "{% set a = a + a %}" * 60 + "{{ a|length }}"
SHARED = "{% set a = [1, 2] %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}"
SQUARED = "{% set a = 10 %}" + "{% set a = a * a %}" * 60 + "{{ a }}"
REPLACED = "{% set a = 'x' %}" + "{% set a = a|replace('x', 'xxxxxxxxxxxxxxxx') %}" * 30 + "{{ a }}"
JOINED = "{% set a = 'x' %}" + "{% set a = ['1', '2', '3', '4']|join(a) %}" * 60 + "{{ a }}"

LONG_TEXT = "{% set a = 'x' %}" + "{% set a = a ~ a %}" * 16
LONG_LIST = "{% set a = ['" + "x" * 60_000 + "'] %}" + "{% set a = a + a %}" * 16  # 4 GB if it were printed
PRINTING = (
    "upper", "lower", "capitalize", "title", "string", "trim", "truncate", "urlencode", "escape", "e", "striptags",
    "sentence", "replace('a', 'b')", "money", "number", "percent", "date", "round", "int", "float", "abs",
)  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 10**9 }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 1000000000 * 'x' }}",
        "{{ [1] * 1000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'x'|center(1000000000) }}",
        "{{ 'x'|indent(1000000000) }}",
        "{{ 'x'|ljust(1000000000) }}",
        "{{ 'x'|wordwrap(1) }}",
        "{{ 'x'|format(1) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 1|round(1000000000) }}",
        "{{ 1|round(1000000000, 'ceil') }}",
        "{{ '1e999999999'|money }}",
        "{{ '1e999999999'|number(6) }}",
        "{{ [[1], [2]]|sum(start=[]) }}",
        "{{ items|batch(0) }}",
        "{% for i in range(1000000000) %}x{% endfor %}",
        NESTED,
        DOUBLED,
        ADDED,
        LISTS,
        SHARED,
        SQUARED,
        REPLACED,
        JOINED,
        "{{ '%999999999d' is odd }}",
        "{{ '%999999999d' is even }}",
        "{{ '%999999999d' is divisibleby(2) }}",
        "{{ 1 is divisibleby('%999999999d') }}",
        "{{ items|selectattr('name', 'odd')|list|length }}",
        "{{ ['%999999999d']|select('odd')|list|length }}",
        "{{ ['%999999999d']|reject('divisibleby', 3)|list|length }}",
        *(LONG_LIST + f"{{{{ a|{name} }}}}" for name in PRINTING),
        LONG_LIST + "{{ '1'|money(a) }}",
        LONG_LIST + "{{ '1'|truncate(1, true, a) }}",
        LONG_LIST + "{{ '1'|trim(a) }}",
        LONG_LIST + "{{ '1'|replace('1', a) }}",
        LONG_LIST + "{{ customer[a] }}",
        LONG_LIST + "{{ a is upper }}",
        LONG_LIST + "{{ a is lower }}",
        LONG_LIST + "{{ a }}",
        LONG_LIST + "{{ a|batch(3)|string }}",
        LONG_LIST + "{{ a ~ a }}",
        LONG_LIST + "{{ a|join }}",
        LONG_LIST + "{{ 1 - a }}",
        LONG_LIST + "{% set b = a|sort %}" * 2,
        LONG_LIST + "{% set b = a|select('string')|list %}" * 2,
        LONG_LIST + "{% set b = a|batch(2) %}" * 2,
        LONG_TEXT + "{% set b = a|title %}" * 100,
        LONG_TEXT + "{% set b = a|striptags %}" * 100,
        LONG_TEXT + "{% set b = a|urlencode %}" * 100,
    ],
)
def test_nothing_grows_without_bound(source: str) -> None:
    assert attack(source).startswith("refused: ")


def test_a_long_output_is_cut_off() -> None:
    source = (
        "{% for a in items %}{% for b in items %}{% for c in items %}" + "{{ shop.name }}" * 40 + "{% endfor %}" * 3
    )
    context: dict[str, Any] = {"items": [1] * 20, "shop": {"name": "x" * 1000}}
    assert attack(source, **context) == "refused: the message is longer than 1,000,000 characters"


def test_a_loop_that_prints_nothing_ends() -> None:
    source = "{% for a in items %}" * 8 + "{% set x = 1 %}" + "{% endfor %}" * 8
    assert "the loops and filters of this template take more than 10,000 steps" in attack(source, items=[1] * 10)


def test_includes_can_not_multiply() -> None:
    files = {f"t/{n}.txt": f'{{% include "t/{n + 1}.txt" %}}' * 10 for n in range(9)}
    files |= {"t/9.txt": "x" * 100, "t/sms.txt": '{% include "t/0.txt" %}'}
    with pytest.raises(TemplateError, match=r"too deep|too large"):
        Renderer(Templates.from_content(files)).render("t", "phone", shop_context())


def test_texts_that_need_each_other_end() -> None:
    files = {"t/sms.txt": "{{ text.a }}", "t/en.yaml": "a: '{{ text.b }}!'\nb: '{{ text.a }}?'"}
    with pytest.raises(TemplateError, match="refers to itself"):
        Renderer(Templates.from_content(files)).render("t", "phone", shop_context())


def test_values_are_never_read_as_a_template() -> None:
    evil = "{{ 7 * 7 }}{% raw %}{# x #}\x01{ 7 * 7 }\x02"
    assert attack("{{ customer.first_name }}", customer={"first_name": evil}) == evil


def test_raw_text_is_literal() -> None:
    assert attack("{% raw %}{{ 7 * 7 }}{% endraw %}") == "{{ 7 * 7 }}"
    assert attack("a\x01{ 7 * 7 }\x02") == "refused: a control character; remove it"


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{% if 1 %}" * 2000 + "{% endif %}" * 2000,
        "".join("{% block b" + str(n) + " %}" for n in range(3000)) + "{% endblock %}" * 3000,
        "{{ " + "not " * 5000 + "1 }}",
        "{{ " + "[" * 5000 + "]" * 5000 + " }}",
    ],
)
def test_nesting_is_bounded(source: str) -> None:
    assert attack(source).startswith("refused: ")


@pytest.mark.parametrize("value", [1, 1.5, True, "x", Decimal("1.5")])
def test_plain_values_are_printed(value: object) -> None:
    assert attack("{{ campaign.x }}", campaign={"x": value}) == str(value)


@pytest.mark.parametrize("context", [{"a": {1: "x"}}, {"a": [{"b": {"_c": 1}}]}, {"a": {1, 2}}, {"a": b"x"}])
def test_other_values_are_refused(context: dict[str, Any]) -> None:
    assert attack("x", **context).startswith("refused: the context's")
