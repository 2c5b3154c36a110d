"""Patterns as they are handed to engines that read the written one differently."""

from __future__ import annotations

import re

import pytest

from automation.rules.patterns import make_portable


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("[A-Z]{2}.*", r"[A-Z]{2}[^\n]*"),
        (r"\d+\.\d", r"[0-9]+\.[0-9]"),
        (r"\w\W", r"[A-Za-z0-9_][^A-Za-z0-9_]"),
        (r"[\d.]+\s", r"[0-9.]+[ \t\n\r\f\x0B]"),
        (r"\[.\]", r"\[[^\n]\]"),
        (r"[.\]]\\.", r"[.\]]\\[^\n]"),
    ],
)
def test_what_engines_read_in_their_own_ways_is_spelled_out(written: str, spelled: str) -> None:
    assert make_portable(written) == spelled
    every = [chr(code) for code in range(256)]
    for text in ["AB", "AB\n", "1.5", "a-", "7.\t", "[x]", ".\\x", *every]:
        assert bool(re.fullmatch(spelled, text)) == bool(re.fullmatch(written, text, re.ASCII)), text
