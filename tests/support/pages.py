"""What the documentation's pages hold: files to write, commands to run with what they print, and links."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from automation.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"])

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.M | re.S)
_NAMED = re.compile(r"`([\w./-]+\.\w+)`:\s*$")


@dataclass(frozen=True)
class Block:
    """One fenced block; `file` where the sentence before it ends with a file's name and a colon."""

    language: str
    text: str
    file: str | None


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in _BLOCK.finditer(text):
        named = _NAMED.search(text[: found.start()].rstrip("\n"))
        yield Block(found[1], found[2], named[1] if named else None)


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Each command of a console block with what it prints."""
    for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


def follow(page: Path, folder: Path, *, run: Callable[[str, Path], str] | None = None) -> int:
    """Do what the page says in the folder: write its files, run its commands, compare what they print.

    A line that has `...` for the rest, or is nothing but that, stands for anything. run: of a command in a folder what
    it prints; by default `run_command`. Returns how many commands ran.
    """
    run = run or run_command
    count = 0
    for block in blocks(page):
        if block.file is not None:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language == "console":
            for command, expected in commands(block):
                printed = run(command, folder)
                assert matches(expected, printed), f"{page.name}: $ {command}\nsays:\n{printed}\nnot:\n{expected}"
                count += 1
    return count


def run_here(command: str, folder: Path) -> str:
    """As `run_command`, but commands of ours in this process: each saves the second that starting Python takes."""
    words = shlex.split(command)
    if words[0] != "automation" or {"|", ">", "&&", ";"} & set(words):
        return run_command(command, folder)
    printed = io.StringIO()
    with (
        chdir(folder),
        mock.patch.dict(os.environ, {"COLUMNS": "160"}),
        redirect_stdout(printed),
        redirect_stderr(printed),
    ):
        code = main(words[1:])
    assert code == 0, f"$ {command}\n{printed.getvalue()}"
    return printed.getvalue()


def run_command(command: str, folder: Path) -> str:
    """What the command prints, all in one; it must end with 0. A pytest that the page runs gets no options of ours."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**environment, "PATH": path, "COLUMNS": "160"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}"
    return done.stdout


def matches(expected: str, printed: str) -> bool:
    """Whether the lines are those expected; `...` stands for anything, and alone for any number of lines."""
    lines = [_squeezed(line) for line in expected.strip().splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else _line(line) for line in lines)
    said = "".join(f"{_squeezed(line)}\n" for line in printed.strip().splitlines())
    return re.fullmatch(pattern, said) is not None


def _line(expected: str) -> str:
    return ".*?".join(re.escape(part) for part in re.split(r" ?\.\.\. ?", expected)) + r"\n"


def _squeezed(line: str) -> str:
    """Without the spaces that only line columns up."""
    return re.sub(r" +", " ", line).strip()
