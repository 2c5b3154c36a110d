"""Which of the languages that there are comes nearest to the one wanted: de-AT is read as de where nothing else is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

FALLBACK = "en"
"""The language in which the texts of the program and of its plugins are complete."""

T = TypeVar("T")


def nearest_language(wanted: str | None, has: Iterable[str]) -> str | None:
    """`wanted` itself or with subtags taken off its end (`de-AT` → `de`), as `has` spells it; case does not matter."""
    if not wanted:
        return None
    known = {language.lower(): language for language in has}
    for name in _tags(wanted):
        if found := known.get(name):
            return found
    return None


def in_language(texts: Mapping[str, T], *wanted: str | None) -> T | None:
    """The text of the first wanted language that there is one for, then the English one, then any."""
    for language in (*wanted, FALLBACK):
        if (found := nearest_language(language, texts)) is not None:
            return texts[found]
    return next(iter(texts.values()), None)


def _tags(language: str) -> list[str]:
    subtags = language.lower().replace("_", "-").split("-")
    return ["-".join(subtags[:length]) for length in range(len(subtags), 0, -1)]
