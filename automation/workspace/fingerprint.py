"""Whether a project's files are the ones they were: a hash of everything that reading them depends on."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import automation
from automation.config.plain_file import open_plain

FILE = "config.yaml"
FOLDERS = ("campaigns", "templates", "plugins")
_VARIABLE = re.compile(rb"\$\{([^}\n]*)\}")
_SETTINGS = ("AUTOMATION_SECRETS", "AUTOMATION_PLUGINS")
_MOST = 1_000_000
"""Bytes of a file that are read; of a longer one its size and time count, too."""


def project_fingerprint(root: Path, environment: Mapping[str, str] | None = None) -> str:
    """Changes with the content of config.yaml, campaigns/, templates/ and plugins/, with the environment variables that
    config.yaml reads, with the installed distributions, and with the place of the project.

    environment: by default the process's own.
    """
    config = _content(root / FILE)
    variables = os.environ if environment is None else environment
    found = hashlib.sha256()
    for part in (
        str(root.resolve()).encode(),
        automation.__version__.encode(),
        *_installed(),
        *_variables(config, variables),
        config,
        *(part for name in FOLDERS for part in _folder(root / name)),
    ):
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()


def table_fingerprint(folder: Path) -> str:
    """Changes with the files of a table of the warehouse, and of its log."""
    found = hashlib.sha256()
    for one in (folder, folder / "_delta_log"):
        for entry in _entries(one):
            status = entry.stat(follow_symlinks=False)
            found.update(f"{entry.name}|{status.st_size}|{status.st_mtime_ns}\n".encode())
        found.update(b"\n")
    return found.hexdigest()


def _variables(config: bytes, environment: Mapping[str, str]) -> Iterator[bytes]:
    """Of a value only two bytes of its hash: a change shows, and nothing that would help to guess a secret."""
    for name in sorted({match.decode(errors="replace") for match in _VARIABLE.findall(config)}):
        value = environment.get(name)
        kept = b"unset" if value is None else hashlib.sha256(os.fsencode(value)).digest()[:2]
        yield name.encode() + b"=" + kept
    for name in _SETTINGS:
        yield os.fsencode(environment.get(name, "unset"))


def _installed() -> Iterator[bytes]:
    """The name, version and time of every distribution that Python finds."""
    every = (entry for folder in dict.fromkeys(sys.path) for entry in _entries(Path(folder)))
    ours = (entry for entry in every if entry.name.endswith((".dist-info", ".egg-info")))
    yield from sorted(f"{entry.name}|{entry.stat().st_mtime_ns}".encode() for entry in ours)


def _folder(folder: Path, *, follow: bool = True) -> Iterator[bytes]:
    """Every file below with its content. follow: also into linked folders, which is done at the top only."""
    for entry in _entries(folder):
        if entry.name == "__pycache__":
            continue
        yield os.fsencode(entry.name)
        if entry.is_dir(follow_symlinks=follow):
            yield b"folder"
            yield from _folder(folder / entry.name, follow=False)
            yield b"end"
        else:
            yield _content(folder / entry.name)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """In the order of their names; none where it is no folder, or can't be read."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


def _content(path: Path) -> bytes:
    try:
        with open_plain(path, None) as file:
            body, status = file.read(_MOST), os.fstat(file.fileno())
    except OSError as error:
        return f"unreadable: {type(error).__name__} {error.errno}".encode()
    more = f"{status.st_size}|{status.st_mtime_ns}".encode() if status.st_size > _MOST else b""
    return body + more
