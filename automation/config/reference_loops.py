"""Loops in references by name: segments that are made of segments, models that build on models."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping


def find_loops(references: Mapping[str, Collection[str]]) -> Iterator[tuple[str, ...]]:
    """Each loop once, from its first name in the file; that name is repeated at its end."""
    loops: set[frozenset[str]] = set()
    without_loop: set[str] = set()

    def follow(name: str, above: tuple[str, ...]) -> tuple[str, ...] | None:
        if name in above:
            return (*above[above.index(name) :], name)
        if name in without_loop:
            return None
        for other in references.get(name, ()):
            if (loop := follow(other, (*above, name))) is not None:
                return loop
        without_loop.add(name)
        return None

    for name in references:
        loop = follow(name, ())
        if loop is not None and frozenset(loop) not in loops:
            loops.add(frozenset(loop))
            yield loop
