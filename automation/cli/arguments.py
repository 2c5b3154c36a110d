"""Arguments of the commands that start at once: argparse loads in 15 ms, typer and what it loads take 130 ms."""

from __future__ import annotations

import argparse
import inspect
import shutil
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


class Parser(argparse.ArgumentParser):
    """Reads a command's arguments; the help is the docstring of its function."""

    def __init__(self, name: str, function: Callable[..., None]) -> None:
        super().__init__(
            prog=f"automation {name}",
            description=_fill(inspect.getdoc(function) or ""),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def add_data_dir(self) -> None:
        """Add `--data-dir`."""
        about = "the data folder, where it can't be told from config.yaml"
        self.add_argument("--data-dir", metavar="DIR", type=Path, help=about)

    def parse(self, arguments: Sequence[str]) -> dict[str, Any]:
        """The values by name. Prints what is wrong and raises `SystemExit(2)`."""
        return vars(self.parse_intermixed_args(arguments))


def _fill(text: str) -> str:
    width = shutil.get_terminal_size().columns - 2
    return "\n\n".join(textwrap.fill(" ".join(part.split()), width) for part in text.split("\n\n"))
