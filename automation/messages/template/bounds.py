"""Filters and tests that spend steps for what they read, and take the kind of value that they are for.

Jinja's own turn any value into a text first: `items|upper` prints the whole list, `'%999999999d' is odd` is
`value % 2`, which formats a text of a gigabyte.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from jinja2 import pass_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context, Undefined
from jinja2.tests import TESTS as JINJA_TESTS

from automation.messages.template.budget import BUDGET, NUMBERS, PLAIN, STEP_OF_TEXT, Budget, name_value

Function = Callable[..., Any]
_JINJA_TESTS = cast("dict[str, Function]", JINJA_TESTS)

_OF_ONE_VALUE = (
    "abs", "capitalize", "e", "escape", "float", "int", "lower", "string", "striptags", "title", "trim", "truncate",
    "upper", "urlencode",
)  # fmt: skip
_OF_MANY = (
    "list", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "unique",
)  # fmt: skip
_WITHOUT_COST = ("count", "first", "items", "last", "length")
_TESTS = (
    "boolean", "defined", "eq", "false", "ge", "gt", "in", "le", "lt", "mapping", "ne", "none", "number", "sequence",
    "string", "true", "undefined",
)  # fmt: skip
_TESTS_OF_NUMBERS = ("divisibleby", "even", "odd")
_TESTS_OF_TEXTS = ("lower", "upper")
_NEEDS_CONTEXT = ("reject", "rejectattr", "select", "selectattr")
_NEEDS_ENVIRONMENT = ("max", "min", "sort", "truncate", "unique")


def jinja_filters() -> dict[str, Function]:
    """Jinja's filters that a template can use."""
    filters: dict[str, Function] = {name: FILTERS[name] for name in _WITHOUT_COST}
    filters |= {name: spending(FILTERS[name], name, of_one=True) for name in _OF_ONE_VALUE}
    return filters | {name: spending(FILTERS[name], name, of_one=False) for name in _OF_MANY}


def jinja_tests() -> dict[str, Function]:
    """Jinja's tests that a template can use."""
    tests: dict[str, Function] = {name: _JINJA_TESTS[name] for name in _TESTS}
    tests |= {name: _of_kind(_JINJA_TESTS[name], name, NUMBERS, "a number") for name in _TESTS_OF_NUMBERS}
    return tests | {name: _of_kind(_JINJA_TESTS[name], name, (str,), "a text") for name in _TESTS_OF_TEXTS}


def spending(function: Function, name: str, *, of_one: bool) -> Function:
    """The filter, spending steps for what it reads. of_one: it takes one text or number, not a list."""

    @pass_context
    @wraps(function)
    def spends(context: Context, value: Any, *arguments: Any, **named: Any) -> Any:
        budget: Budget | None = context.parent.get(BUDGET)
        if budget is not None:
            budget.spend(_steps(value))
        if of_one:
            for given in (value, *arguments, *named.values()):
                if type(given) not in PLAIN:
                    _refuse(f"the filter {name!r}", given, "a text or a number")
        if name in _NEEDS_CONTEXT:
            return function(context, value, *arguments, **named)
        if name in _NEEDS_ENVIRONMENT:
            return function(context.environment, value, *arguments, **named)
        return function(value, *arguments, **named)

    return spends


def _steps(value: Any) -> int:
    if isinstance(value, str):
        return 1 + len(value) // STEP_OF_TEXT
    return 1 + len(value) if isinstance(value, list | tuple | dict) else 1


def _of_kind(test: Function, name: str, kinds: tuple[type, ...], wanted: str) -> Function:
    def checked(value: Any, *arguments: Any) -> Any:
        for given in (value, *arguments):
            if not isinstance(given, kinds):
                _refuse(f"the test {name!r}", given, wanted)
        return test(value, *arguments)

    return checked


def _refuse(what: str, value: Any, wanted: str) -> None:
    if isinstance(value, Undefined):
        str(value)  # raises, and names it
    raise SecurityError(f"{what} needs {wanted}, not {name_value(value)}")
