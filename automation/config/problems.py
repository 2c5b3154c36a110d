"""Problems of a project's files, each with its place, and suggestions for misspelled names."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "not_built"]
KeyPath = tuple[str | int, ...]
_LISTED = 20


@dataclass(frozen=True)
class Place:
    """A line and a column, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Problem:
    """One problem at one place. `file` is relative to the project; `path` counts list items from 1."""

    file: str
    line: int
    column: int
    path: str
    what: str
    severity: Severity = "error"

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {path}{self.what}"

    @property
    def refuses(self) -> bool:
        """Whether the file can't be used as it stands."""
        return self.severity != "warning"


def any_refuses(problems: Iterable[Problem]) -> bool:
    """Whether any of them makes a file unusable."""
    return any(problem.refuses for problem in problems)


def sort_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By file, then by place."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.line, p.column, p.path, p.what)))


def spell_path(path: KeyPath) -> str:
    """`("audience", "all", 1, "times")` → `audience.all[2].times`: people count from 1."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f".{part}" if text else part
    return text


def near_miss(word: object, choices: Collection[str]) -> str | None:
    """The choice that `word` is probably a misspelling of."""
    by_lower = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(str(word).lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(word: object, choices: Collection[str]) -> str:
    """` (did you mean 'topic'?)`, or nothing."""
    meant = near_miss(word, choices)
    return f" (did you mean {meant!r}?)" if meant is not None else ""


def list_choices(choices: Collection[str]) -> str:
    """`a, b, c`; after twenty only how many more there are."""
    shown = list(choices)[:_LISTED]
    more = f" and {len(choices) - _LISTED} more" if len(choices) > _LISTED else ""
    return ", ".join(shown) + more


def unknown_name(what: str, name: object, choices: Collection[str], *, where: str = "") -> str:
    """`there is no topic 'promo'; topics: promotions, newsletter (did you mean 'promotions'?)`."""
    known = f"there are: {list_choices(sorted(choices))}" if choices else "none are defined"
    return f"there is no {what} {name!r}{where}; {known}{did_you_mean(name, choices)}"
