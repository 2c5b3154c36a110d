"""Arguments of the commands that start at once: argparse loads in 15 ms, typer and what it loads take 130 ms."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


class Parser(argparse.ArgumentParser):
    """Reads a command's arguments; the help is the docstring of its function."""

    def __init__(self, name: str, function: Callable[..., None]) -> None:
        super().__init__(
            prog=f"automation {name}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self._function = function

    def add_data_dir(self) -> None:
        """Add `--data-dir`."""
        about = "the data folder, where it can't be told from config.yaml"
        self.add_argument("--data-dir", metavar="DIR", type=Path, help=about)

    def format_help(self) -> str:
        """The help, as wide as the terminal."""
        self.description = _describe(self._function)
        return super().format_help()

    def parse(self, arguments: Sequence[str]) -> dict[str, Any]:
        """The values by name. Prints what is wrong and raises `SystemExit(2)`."""
        return vars(self.parse_intermixed_args(arguments))


def _describe(function: Callable[..., None]) -> str:
    """The docstring's paragraphs, filled anew."""
    import inspect
    import shutil  # loads 10 ms of compression, which only the help may cost
    import textwrap

    width = shutil.get_terminal_size().columns - 2
    parts = (inspect.getdoc(function) or "").split("\n\n")
    return "\n\n".join(textwrap.fill(" ".join(part.split()), width) for part in parts)
