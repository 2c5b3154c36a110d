"""The segments of texts, counted by hand."""

from __future__ import annotations

import pytest

from automation_sms.segments import count_segments


@pytest.mark.parametrize(
    ("text", "encoding", "units", "count"),
    [
        ("", "GSM-7", 0, 1),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("ä" * 160, "GSM-7", 160, 1),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 306, 3),  # the € doesn't fit into the first part's last septet
        ("a" * 151 + "€" + "a" * 153, "GSM-7", 306, 2),
        ("ç", "UCS-2", 1, 1),  # only the capital one is of the alphabet
        ("Ç", "GSM-7", 1, 1),
        ("’" * 70, "UCS-2", 70, 1),
        ("’" * 71, "UCS-2", 71, 2),
        ("’" * 134, "UCS-2", 134, 2),
        ("’" * 135, "UCS-2", 135, 3),
        ("👋" * 35, "UCS-2", 70, 1),
        ("👋" * 36, "UCS-2", 72, 2),
        ("’" + "👋" * 66 + "’", "UCS-2", 134, 2),
        ("👋" * 67, "UCS-2", 134, 3),  # 33 pairs a part: half a unit's room is left in each
        ("line\nline\rend", "GSM-7", 13, 1),
        ("a\tb", "UCS-2", 3, 1),
    ],
)
def test_segments(text: str, encoding: str, units: int, count: int) -> None:
    found = count_segments(text)
    assert (found.encoding, found.units, found.count) == (encoding, units, count)


def test_the_alphabet_is_complete() -> None:
    """128 codes, one of which is the escape; the extension table has ten characters."""
    one = [chr(code) for code in range(0x3000) if count_segments(chr(code)).encoding == "GSM-7"]
    assert sum(count_segments(character).units == 1 for character in one) == 127
    assert {character for character in one if count_segments(character).units == 2} == set("\f^{}\\[~]|€")


def test_segments_as_text() -> None:
    assert str(count_segments("a")) == "1 segment, GSM-7"
    assert str(count_segments("👋" * 36)) == "2 segments, UCS-2"
