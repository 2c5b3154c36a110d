"""The option `--data-dir` of commands that work without a readable config.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="the data folder, where it can't be told from config.yaml")
]
