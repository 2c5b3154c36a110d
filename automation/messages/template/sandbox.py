"""Where templates run: Jinja's immutable sandbox, narrowed to what a message needs.

Jinja's sandbox alone walks the attributes of what it is given and bounds neither time nor memory. Here a template sees
plain values only, nothing is called but allow-listed filters, and every loop, value and output has a limit:

- node types are allow-listed when a template is compiled: no macros, imports, calls, `set` blocks or namespaces;
- a name after a dot is a dictionary's key, or one of `loop`'s counters; nothing else has attributes;
- one rendering may take `MAX_STEPS` loop steps, `MAX_OUTPUT` characters and `MAX_SECONDS`;
- `~`, `+`, `*` and filters make no text longer than `MAX_TEXT`, and `*` no number beyond 10^18.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, NoReturn, TypeVar

from jinja2 import StrictUndefined, Template, UndefinedError, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from automation.clock import monotonic
from automation.messages.template.bounds import jinja_filters, jinja_tests
from automation.messages.template.budget import (
    BUDGET,
    MAX_NUMBER,
    MAX_OUTPUT,
    MAX_SECONDS,
    MAX_STEPS,
    MAX_TEXT,
    NUMBERS,
    PLAIN,
    PRINTABLE,
    Budget,
    LimitExceeded,
    name_value,
)
from automation.messages.template.code import Generator
from automation.messages.template.nodes import apply_limits
from automation.messages.template.pieces import DELIMITERS

_LOOP = frozenset(
    {"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "previtem", "nextitem"}
)
_TEXT = frozenset({str})


class UnknownName(UndefinedError):
    """A template uses a name that the context does not have; `known` are the other names at that place, if any."""

    def __init__(self, name: str, known: Iterable[str] | None) -> None:
        super().__init__(f"{name!r} is not known")
        self.name = name
        self.known = None if known is None else tuple(known)


class MissingName(StrictUndefined):
    """A name that the context does not have; any use but `|default` and `is defined` is an error."""

    __slots__ = ()

    def _fail_with_undefined_error(self, *args: Any, **kwargs: Any) -> NoReturn:
        known = self._undefined_obj if isinstance(self._undefined_obj, dict) else None
        raise UnknownName(str(self._undefined_name), known)

    __iter__ = __str__ = __len__ = _fail_with_undefined_error
    __eq__ = __ne__ = __bool__ = __hash__ = _fail_with_undefined_error
    __contains__ = __html__ = __add__ = __radd__ = _fail_with_undefined_error


class Texts:
    """A language file's texts, each rendered when it is first used."""

    def __init__(self, render: Callable[[str], str], names: Iterable[str]) -> None:
        self.render = render
        self.names = dict.fromkeys(names, "")


class Sandbox(ImmutableSandboxedEnvironment):
    """Dictionary items before anything else: 126 instead of 240 µs for a 2.8 KB message, with the same output."""

    code_generator_class = Generator
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict:
            try:
                return obj[attribute]
            except KeyError:
                return self.undefined(obj=obj, name=attribute)
        if type(obj) is Texts:
            return obj.render(attribute) if attribute in obj.names else self.undefined(obj=obj.names, name=attribute)
        if type(obj) is LoopContext and attribute in _LOOP:
            return getattr(obj, attribute)
        if isinstance(obj, Undefined):
            return obj._fail_with_undefined_error()
        return self.undefined(obj=None, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if type(argument) is str:
            return self.getattr(obj, argument)
        if isinstance(obj, list | tuple | str) and isinstance(argument, int | slice):
            try:
                return obj[argument]
            except IndexError:
                return self.undefined(obj=None, name=f"item {argument}")
        if isinstance(obj, Undefined):
            return obj._fail_with_undefined_error()
        return self.undefined(obj=None, name=str(argument)[:40] if type(argument) in PLAIN else name_value(argument))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, NUMBERS) and isinstance(right, NUMBERS):
            if isinstance(left, Decimal) != isinstance(right, Decimal):
                left, right = Decimal(str(left)), Decimal(str(right))
            if operator != "*" or abs(left * right) <= MAX_NUMBER:
                return super().call_binop(context, operator, left, right)
        if operator == "+" and isinstance(left, str | list) and isinstance(right, str | list):
            if len(left) + len(right) <= MAX_TEXT:
                return left + right  # type: ignore[operator]
            raise LimitExceeded(f"a text made with '+' would be longer than {MAX_TEXT:,} characters")
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            str(left), str(right)  # raises, and names it
        raise SecurityError(
            f"{operator!r} works on numbers (up to 10^18) only, not on {name_value(left)} and {name_value(right)}"
        )

    @staticmethod
    def printed(value: Any) -> str:
        """A value as it is printed in a text. Raises `UndefinedError`."""
        return value if type(value) is str else str(_finalize(value))

    @staticmethod
    def escaped(value: Any) -> str:
        """A value as it is printed in HTML; as `markupsafe.escape` does, which takes 1.3 µs where this takes 0.4."""
        if type(value) is not str:
            return escape(_finalize(value))
        value = value.replace("&", "&amp;").replace(">", "&gt;").replace("<", "&lt;")
        return value.replace("'", "&#39;").replace('"', "&#34;")  # type: ignore[no-any-return]

    def is_safe_callable(self, obj: Any) -> bool:
        return False


AnySandbox = TypeVar("AnySandbox", bound=Sandbox)


def make_sandbox(filters: Mapping[str, Callable[..., Any]], *, autoescape: bool) -> Sandbox:
    """An environment without loader and globals, with our filters and the allow-listed ones of Jinja."""
    environment = Sandbox(
        block_start_string=DELIMITERS["block"][0],
        block_end_string=DELIMITERS["block"][1],
        variable_start_string=DELIMITERS["variable"][0],
        variable_end_string=DELIMITERS["variable"][1],
        comment_start_string=DELIMITERS["comment"][0],
        comment_end_string=DELIMITERS["comment"][1],
        undefined=MissingName,
        autoescape=autoescape,
        finalize=_finalize,
        optimized=False,
        keep_trailing_newline=True,
    )
    return furnish(environment, filters)


def furnish(environment: AnySandbox, filters: Mapping[str, Callable[..., Any]]) -> AnySandbox:
    """Give an environment our filters and the allow-listed ones of Jinja, and no globals."""
    environment.globals = {}
    environment.filters = {**jinja_filters(), **filters, "_concat": concat, "_each": _each}
    environment.tests = dict(jinja_tests())
    return environment


def compile_template(environment: Sandbox, source: str, name: str) -> Template:
    """Compile once. Raises `TemplateSyntaxError`, with the line in `source`."""
    tree = apply_limits(environment.parse(source, name, name), environment.filters, environment.tests)
    code = environment.compile(tree, name, name)
    return Template.from_code(environment, code, {})


def names_used(environment: Sandbox, source: str) -> set[str]:
    """The context's names that the template uses."""
    from jinja2 import meta

    return meta.find_undeclared_variables(environment.parse(source))


def render_template(template: Template, context: dict[str, Any]) -> str:
    """Render with a context that is known to be plain. Raises `UndefinedError`, `SecurityError`, `TypeError` …"""
    budget = context.setdefault(BUDGET, Budget())
    stream = template.root_render_func(template.new_context(context, shared=True))
    parts: list[str] = []
    size = 0
    while pieces := list(islice(stream, 64)):
        chunk = "".join(pieces)
        size += len(chunk)
        if size > MAX_OUTPUT:
            raise LimitExceeded(f"the message is longer than {MAX_OUTPUT:,} characters")
        if monotonic() > budget.deadline:
            raise LimitExceeded(f"rendering takes longer than {MAX_SECONDS:g} seconds")
        parts.append(chunk)
    return "".join(parts)


def refuse_objects(value: Any, path: str = "") -> None:
    """Raise `TypeError` unless it consists only of dictionaries with text keys, lists, texts and numbers."""
    kind = type(value)
    if kind in PLAIN or (kind is dict and _is_flat(value)):
        return
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or key.startswith("_"):
                raise TypeError(f"the context's key {path}{key!r} is not a plain name")
            if type(item) not in PLAIN:
                refuse_objects(item, f"{path}{key}.")
    elif kind in (list, tuple):
        for item in value:
            if type(item) not in PLAIN:
                refuse_objects(item, path)
    else:
        raise TypeError(f"the context's {path.rstrip('.')} is a {kind.__name__}; only plain values may be rendered")


def _is_flat(value: dict[Any, Any]) -> bool:
    """Whether a flat dictionary is plain: 1 µs instead of 3 for ten keys."""
    if not (PLAIN.issuperset(map(type, value.values())) and _TEXT.issuperset(map(type, value))):
        return False
    return "\0_" not in "\0" + "\0".join(value)


def _finalize(value: Any) -> Any:
    if type(value) in PRINTABLE or isinstance(value, Undefined):
        return value
    raise UndefinedError("it is empty here" if value is None else f"it is {name_value(value)}, which can't be printed")


@pass_context
def _each(context: Context, values: Any) -> _Steps:
    if isinstance(values, Undefined):
        str(values)  # raises, and names it
    budget: Budget = context.parent[BUDGET]
    if not isinstance(values, list | tuple | dict):
        values = list(islice(values, MAX_STEPS)) if isinstance(values, Iterator) else _refuse_loop(values)
    return _Steps(values, budget)


class _Steps:
    """A list that counts a step for each item; it has a length, so `loop.length` costs nothing."""

    def __init__(self, values: Any, budget: Budget) -> None:
        self.values = values
        self.budget = budget

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        for value in self.values:
            self.budget.spend()
            yield value


def _refuse_loop(value: Any) -> NoReturn:
    raise SecurityError(f"a loop needs a list, not {name_value(value)}")


def concat(parts: list[Any]) -> str:
    """`~` within `MAX_TEXT`: if one part is markup, the others are escaped."""
    if sum(len(str(_finalize(part))) for part in parts) > MAX_TEXT:
        raise LimitExceeded(f"a text made with '~' would be longer than {MAX_TEXT:,} characters")
    if any(isinstance(part, Markup) for part in parts):
        return Markup("").join(escape(part) for part in parts)
    return "".join(map(str, parts))
