"""What a template file consists of, before anything is compiled: literal text, Jinja tags, blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

DELIMITERS = {"block": ("\x01%", "%\x02"), "variable": ("\x01{", "}\x02"), "comment": ("\x01#", "#\x02")}
"""Control characters that no template file may contain, so that literal text is never read as a tag."""


@dataclass(frozen=True)
class Text:
    """Literal text."""

    text: str
    file: str
    line: int


@dataclass(frozen=True)
class Tag:
    """A Jinja tag: an expression to print, or a statement; `code` is the text between its delimiters."""

    kind: Literal["print", "statement"]
    code: str
    file: str
    line: int

    @property
    def word(self) -> str:
        return self.code.split(None, 1)[0] if self.code and self.kind == "statement" else ""

    def __str__(self) -> str:
        code = " ".join(self.code.split())
        return f"{{{{ {code} }}}}" if self.kind == "print" else f"{{% {code} %}}"


@dataclass(frozen=True)
class Block:
    """A named part of a layout that a template can replace."""

    name: str
    pieces: tuple[Piece, ...]


Piece = Text | Tag | Block


@dataclass(frozen=True)
class JinjaSource:
    """What Jinja compiles. `origins[n]` is the tag on line n (from 1), where there is one."""

    text: str
    origins: dict[int, Tag] = field(default_factory=dict)
