"""A token is good for one purpose and as it was made, byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.ids import link_id, sign
from automation.web.public.tokens import Purpose, Reference, read_token

SECRET = b"\x01" * 32
ID = "0123456789abcdef0123456789abcdef"
LINK = link_id(SECRET, ID)
PURPOSES: tuple[Purpose, ...] = ("open", "click", "unsubscribe", "preferences", "confirm")


def token(purpose: str) -> str:
    return sign(SECRET, purpose, f"{LINK}.7" if purpose == "click" else LINK)


@pytest.mark.parametrize("made_for", PURPOSES)
@pytest.mark.parametrize("read_as", PURPOSES)
def test_a_token_has_one_purpose(made_for: Purpose, read_as: Purpose) -> None:
    expected = Reference(ID, 7 if made_for == "click" else 0) if made_for == read_as else None
    assert read_token(SECRET, read_as, token(made_for)) == expected


@pytest.mark.parametrize("purpose", PURPOSES)
def test_no_flipped_bit_is_taken(purpose: Purpose) -> None:
    whole = token(purpose).encode()
    for place in range(len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            assert read_token(SECRET, purpose, flipped.decode("latin-1")) is None, (place, bit)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_another_secret_or_length_is_not_taken(purpose: Purpose) -> None:
    whole = token(purpose)
    assert read_token(b"\x02" * 32, purpose, whole) is None
    for wrong in (whole[:-1], whole + "0", whole + "\n", whole[1:], "", ".", whole.upper(), f" {whole}", "\ud800"):
        assert read_token(SECRET, purpose, wrong) is None


@pytest.mark.parametrize("number", ["-1", "01", "10000", "1.5", "٣", "", "1e3", " 1"])
def test_a_link_s_number_is_a_small_whole_number(number: str) -> None:
    assert read_token(SECRET, "click", sign(SECRET, "click", f"{LINK}.{number}")) is None


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_token_does_not_tell_the_message_s_id(purpose: Purpose) -> None:
    assert ID not in token(purpose)


@given(st.text(max_size=80))
def test_anything_else_is_refused_quietly(text: str) -> None:
    assert all(read_token(SECRET, purpose, text) is None for purpose in PURPOSES)
