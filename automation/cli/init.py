"""`automation init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Text


def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="the folder to create the project in", resolve_path=True)],
) -> None:
    """Create a project folder with four campaigns to start from.

    They are valid, only write messages to files, and nothing runs before you launch it.

    Example: automation init my-shop
    """
    from automation.demo.starter import copy_starter

    invocation: Invocation = context.obj
    copy_starter(folder)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml"))
    next_steps = f"  cd {folder}\n  automation validate\n  automation import customers FILE"
    invocation.output.show(
        {"folder": folder, "files": files}, Text(f"created {folder}; next:\n{next_steps}", "success")
    )
