"""Finds a project's data folder, also where config.yaml is missing or can't be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from automation.config.source_map import read_file
from automation.errors import ConfigurationError

FILE, STORE, DEFAULT = "config.yaml", "store.db", "var"
_LINE = re.compile(r"^data_dir[ \t]*:[ \t]*(?P<value>\"[^\"\n]+\"|'[^'\n]+'|[^#\n]*?)[ \t]*(?:#.*)?$", re.MULTILINE)


@dataclass(frozen=True)
class DataFolder:
    """unread: what could not be read, and what was taken instead; one sentence each."""

    path: Path
    unread: tuple[str, ...] = ()


def find_data_folder(root: Path, *, in_use: Callable[[Path], bool]) -> DataFolder:
    """The folder of the store that this project's daemon works on.

    A folder that a daemon works on comes first, since it may have been started before config.yaml was changed. Without
    a daemon it is `data_dir` of config.yaml, or its default. Where config.yaml can't be read, the line with `data_dir`
    is looked up in its text, and a folder of the project with a store is taken if there is just one.

    in_use: whether a daemon works on a folder. Raises `ConfigurationError` where no folder can be told.
    """
    _, source = read_file(root / FILE, FILE)
    readable = source.value is not None
    written = source.get(("data_dir",)) if readable else _written_line(root / FILE)
    wanted = root / (written if isinstance(written, str) and written else DEFAULT)
    unread = () if readable else tuple(str(problem) for problem in source.problems)
    with_store = [folder for folder in _candidates(root, wanted) if _has_store(folder)]
    live = [folder for folder in with_store if in_use(folder)]
    if live:
        found, *others = live
        also = tuple(f"another daemon works on {folder}; for it, use --data-dir {folder}" for folder in others)
        return DataFolder(found, (*unread, *_differs(found, wanted, "is the one that the daemon works on"), *also))
    if readable or wanted in with_store:
        return DataFolder(wanted, unread)
    if len(with_store) == 1:
        return DataFolder(with_store[0], (*unread, *_differs(with_store[0], wanted, "is the only one with a store")))
    raise ConfigurationError("\n".join([*unread, _unknown(root, with_store)]))


def _written_line(path: Path) -> str | None:
    """`data_dir` by its line alone, whatever the rest of the file contains."""
    try:
        text = path.read_bytes().decode(errors="replace")
    except OSError:
        return None
    found = _LINE.search(text.replace("\r\n", "\n"))
    return found["value"].strip("\"'") if found else None


def _candidates(root: Path, wanted: Path) -> Iterator[Path]:
    """The folders that may be the data folder, the likeliest first, each once."""
    below = sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []
    seen: set[Path] = set()
    for folder in (wanted, root / DEFAULT, *below):
        if folder.resolve() not in seen:
            seen.add(folder.resolve())
            yield folder


def _has_store(folder: Path) -> bool:
    try:
        return (folder / STORE).is_file()
    except PermissionError:
        return True  # opening it says why that is impossible


def _differs(found: Path, wanted: Path, why: str) -> tuple[str, ...]:
    return () if found == wanted else (f"the data folder of {FILE} would be {wanted}; {found} {why}",)


def _unknown(root: Path, with_store: list[Path]) -> str:
    if with_store:
        names = ", ".join(map(str, with_store))
        return f"{root} has several data folders: {names}; name the right one with --data-dir DIR"
    return f"{root} has no data folder with a store; name it with --data-dir DIR"
