"""Regular expressions that mean the same on every engine as in Python, with ASCII letters and digits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_MEMBERS: Mapping[str, str] = MappingProxyType({"d": "0-9", "w": "A-Za-z0-9_", "s": r" \t\n\r\f\x0B"})
_PARTS = re.compile(r"\[(?:\\.|[^\]\\])+\]|\\.|\.")
_CLASS = re.compile(r"\\([dws])")


def make_portable(pattern: str) -> str:
    """Spell out the dot and the classes, which engines interpret differently.

    PostgreSQL's dot matches a line break and its `\\w` letters of every alphabet; Java's dot excludes four further
    characters.
    """
    return _PARTS.sub(lambda part: _spelled(part[0]), pattern)


def _spelled(part: str) -> str:
    if part == ".":
        return r"[^\n]"
    if part.startswith("["):
        return _CLASS.sub(lambda known: _MEMBERS[known[1]], part)
    members = _MEMBERS.get(part[1].lower())
    if members is None:
        return part
    return f"[{members}]" if part[1].islower() else f"[^{members}]"
