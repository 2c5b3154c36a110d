"""Text that every store can hold."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from automation.types.text import is_storable, storable, storable_values

ANY = st.text(st.characters(exclude_categories=()) | st.sampled_from("\x00\ud800\udfff\ue000\ud7ff😀"))


@given(ANY)
def test_what_is_left_is_utf_8_without_nul_and_nothing_else_is_lost(text: str) -> None:
    left = storable(text)
    assert left == "".join(letter for letter in text if letter != "\0" and not 0xD800 <= ord(letter) <= 0xDFFF)
    assert b"\0" not in left.encode()
    assert is_storable(text) == (left == text)


@given(st.recursive(ANY | st.none() | st.integers(), lambda part: st.lists(part) | st.dictionaries(ANY, part)))
def test_every_name_and_text_of_a_value_is_cleaned(value: object) -> None:
    left = json.dumps(storable_values(value), ensure_ascii=False)  # type: ignore[arg-type]
    assert is_storable(left)
    assert "\\u0000" not in left.replace("\\\\", "")
