"""Regular expressions spelled so that every engine reads them as Python does, of ASCII letters and digits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_MEMBERS: Mapping[str, str] = MappingProxyType({"d": "0-9", "w": "A-Za-z0-9_", "s": r" \t\n\r\f\x0B"})
_PARTS = re.compile(r"\[(?:\\.|[^\]\\])+\]|\\.|\.")
_CLASS = re.compile(r"\\([dws])")


def make_portable(pattern: str) -> str:
    """The pattern without what engines read in their own ways.

    PostgreSQL's dot takes a line break and its `\\w` every alphabet; Java's dot leaves out four further characters.
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
