"""What a template prints is checked and escaped as markupsafe would."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markupsafe import Markup, escape

from automation.messages.template.sandbox import MissingName, Sandbox, refuse_objects

VALUES = st.one_of(
    st.text(), st.text("&<>'\"a;#3", max_size=20), st.integers(), st.booleans(), st.decimals(), st.text().map(Markup)
)


@given(VALUES)
def test_escaped_as_markupsafe_does(value: object) -> None:
    assert str(Sandbox.escaped(value)) == str(escape(value))
    assert Sandbox.printed(value) == str(value)


@pytest.mark.parametrize("value", [None, [], {}, object(), MissingName(name="x")])
def test_what_cannot_be_printed(value: object) -> None:
    for show in (Sandbox.escaped, Sandbox.printed):
        with pytest.raises(UndefinedError):
            show(value)


@pytest.mark.parametrize(
    "context",
    [
        {"a": {"_private": 1}},
        {"a": {"b": 1, "_c": 2}},
        {"a": [{"b": {"c": object()}}]},
        {"a": {1: "b"}},
        {1: "b"},
        {"_a": 1},
        {"a": {"b": {"c": [object()]}}},
    ],
)
def test_objects_and_private_names_are_refused_at_any_depth(context: dict[object, object]) -> None:
    with pytest.raises(TypeError):
        refuse_objects(context)


def test_plain_values_are_not() -> None:
    refuse_objects({"a": {"b": Decimal("1.5"), "c": None, "d": [1, "x", {"e": True, "f\0_": ""}]}, "g": Markup("x")})
