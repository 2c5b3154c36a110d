"""`automation backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automation.cli.data_dir import DataDir
from automation.cli.invocation import Invocation
from automation.cli.output import Text


def backup(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(help="the file to write; it must not exist yet")],
    data_dir: DataDir = None,
) -> None:
    """Copy the store to a file while it is in use.

    The copy is marked: a daemon that is started on it sends nothing until `automation resume --restored`, because the
    copy lacks everything sent after it was made. The warehouse is a folder of files; copy it with any tool. The keys
    that sign links are not in the copy: keep data_dir/signing_keys.json in another place.

    Example: automation backup /backups/store-2026-11-22.db
    """
    from automation.runner.backup import back_up

    invocation: Invocation = context.obj
    target = target.resolve()
    with invocation.store_only(data_dir) as opened:
        back_up(opened, target)
    size = target.stat().st_size
    value = {"file": str(target), "bytes": size, "unread": opened.unread}
    invocation.output.show(value, Text(f"copied the store to {target} ({size:,} bytes)"))
