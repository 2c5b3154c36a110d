"""Numbers with their nouns."""

from __future__ import annotations


def format_count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 run`, `1,200 runs`; plural: where it is not the noun with an `s`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
