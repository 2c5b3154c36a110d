"""`automation resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Text
from automation.errors import ConfigurationError

if TYPE_CHECKING:
    from automation.workspace.workspace import Workspace


def resume(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="the campaign's name", metavar="[CAMPAIGN]")] = None,
    everything: Annotated[bool, typer.Option("--all", help="undo `automation stop --all`")] = False,
    channel: Annotated[str | None, typer.Option(help="a paused channel")] = None,
    restored: Annotated[bool, typer.Option("--restored", help="go on with this restored copy of the store")] = False,
    clock: Annotated[bool, typer.Option("--clock", help="confirm that the clock is right now")] = False,
) -> None:
    """Resume a stopped or paused campaign.

    Waiting messages are sent unless they are too late; runs that were due in the meantime are skipped.

    Example: automation resume winback
    """
    invocation: Invocation = context.obj
    if [bool(name), everything, bool(channel), restored, clock].count(True) != 1:
        raise ConfigurationError(
            "name what to resume: automation resume CAMPAIGN, --all, --channel NAME, --restored or --clock"
        )
    with invocation.workspace() as workspace:
        found = _resume(workspace, name, channel, restored=restored, clock=clock)
    what = name or (f"the channel {channel}" if channel else "everything")
    shown = f"resumed {what}" if found else f"{what} was not stopped or paused"
    invocation.output.show({"resumed": name or channel or "*", "was_stopped": found}, Text(shown))


def _resume(workspace: Workspace, name: str | None, channel: str | None, *, restored: bool, clock: bool) -> bool:
    from automation.runner import backup, stopping

    if restored:
        return backup.accept_restored_copy(workspace)
    if clock:
        return stopping.resume_after_clock_jump(workspace)
    return stopping.resume_channel(workspace, channel) if channel else stopping.resume(workspace, name)
