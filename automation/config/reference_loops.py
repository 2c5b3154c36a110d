"""Loops in references by name: segments that are made of segments, models that build on models."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter


def find_loops(references: Mapping[str, Collection[str]]) -> Iterator[tuple[str, ...]]:
    """Loops without a common name, each from its first name in the file; that name is repeated at its end."""
    remaining = dict(references)
    while True:
        try:
            TopologicalSorter(remaining).prepare()
        except CycleError as error:
            loop = error.args[1][:0:-1]  # graphlib lists what is referred to first, and one name at both ends
        else:
            return
        start = loop.index(next(name for name in references if name in loop))
        yield (*loop[start:], *loop[: start + 1])
        remaining = {name: others for name, others in remaining.items() if name not in loop}
