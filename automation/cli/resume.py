"""`automation resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import DataDir, Invocation
from automation.cli.output import Text
from automation.errors import ConfigurationError

if TYPE_CHECKING:
    from automation.workspace.opened import OpenedStore


def resume(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="the campaign's name", metavar="[CAMPAIGN]")] = None,
    everything: Annotated[bool, typer.Option("--all", help="undo `automation stop --all`")] = False,
    channel: Annotated[str | None, typer.Option(help="a paused channel")] = None,
    restored: Annotated[bool, typer.Option("--restored", help="go on with this restored copy of the store")] = False,
    clock: Annotated[bool, typer.Option("--clock", help="confirm that the clock is right now")] = False,
    data_dir: DataDir = None,
) -> None:
    """Resume a stopped or paused campaign.

    Waiting messages are sent unless they are too late; runs that were due in the meantime are skipped. Like `stop`, it
    needs only the store.

    Example: automation resume winback
    """
    invocation: Invocation = context.obj
    if [bool(name), everything, bool(channel), restored, clock].count(True) != 1:
        raise ConfigurationError(
            "name what to resume: automation resume CAMPAIGN, --all, --channel NAME, --restored or --clock"
        )
    with invocation.store_only(data_dir) as opened:
        found = _resume(opened, name, channel, restored=restored, clock=clock)
    what = name or (f"the channel {channel}" if channel else "everything")
    shown = f"resumed {what}" if found else f"{what} was not stopped or paused"
    value = {"resumed": name or channel or "*", "was_stopped": found, "unread": opened.unread}
    invocation.output.show(value, Text(shown))


def _resume(opened: OpenedStore, name: str | None, channel: str | None, *, restored: bool, clock: bool) -> bool:
    from automation.runner import stopping

    if restored:
        from automation.runner.backup import accept_restored_copy

        return accept_restored_copy(opened)
    if clock:
        return stopping.resume_after_clock_jump(opened)
    return stopping.resume_channel(opened, channel) if channel else stopping.resume(opened, name)
