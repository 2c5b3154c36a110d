"""`automation keys`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from automation.cli.data_dir import DataDir
from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.errors import ConfigurationError
from automation.workspace.shop_format import shop_format

if TYPE_CHECKING:
    from automation.store.signing_keys import SigningKeys
    from automation.workspace.opened import OpenedStore

Action = Literal["show", "rotate", "replace"]


def keys(
    context: typer.Context,
    action: Annotated[Action, typer.Argument(help="what to do")] = "show",
    old_links: Annotated[
        str | None, typer.Option(metavar="TIME", help="rotate: how long links sent so far still work; by default 180d")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="replace: do not ask")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show, rotate or replace the keys that sign links.

    The keys are in data_dir/signing_keys.json, not in the store: keep a copy of that file apart from the backups.
    `rotate` signs with a new key from now on, also in a running daemon; message ids stay as they are. `replace` is for
    keys that are lost: it ends every link in messages sent so far.

    Example: automation keys rotate --old-links 30d
    """
    invocation: Invocation = context.obj
    if old_links is not None and action != "rotate":
        raise ConfigurationError("--old-links needs `rotate`: automation keys rotate --old-links TIME")
    if action == "replace" and not yes and not invocation.output.ask(_QUESTION):
        raise ConfigurationError("nothing was replaced; to agree: automation keys replace --yes")
    with invocation.store_only(data_dir) as opened:
        found = _change(opened, action, old_links)
        file, shop = opened.store.key_file.path, shop_format(opened)
    rows = [(shop.cell(key.since), shop.cell(key.until)) for key in found.links]
    shown: list[Block] = [Table((f"used since ({shop.zone})", f"its links end ({shop.zone})"), rows)]
    if action != "show":
        shown.append(Text(f"new links are signed with a new key; copy {file} to where you keep its copies", "success"))
    listed = [{"since": key.since, "until": key.until} for key in found.links]
    invocation.output.show({"file": str(file), "keys": listed, "unread": opened.unread}, *shown)


_QUESTION = "End every link in messages sent so far, also those to unsubscribe?"


def _change(opened: OpenedStore, action: Action, old_links: str | None) -> SigningKeys:
    from automation.store.signing_keys import OLD_LINKS

    file, now = opened.store.key_file, opened.clock.now()
    if action == "show":
        return file.load()
    if action == "replace":
        return file.replace(now)
    return file.rotate(old_links=OLD_LINKS if old_links is None else _duration(old_links), now=now)


def _duration(text: str) -> timedelta:
    from automation.types.quantity import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigurationError(f"--old-links: {error}") from None
