"""`automation resume`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from automation.cli.output import Text
from automation.errors import ConfigurationError

if TYPE_CHECKING:
    from automation.cli.arguments import Parser
    from automation.cli.invocation import Invocation
    from automation.workspace.opened import OpenedFile


def add_arguments(parser: Parser) -> None:
    """What `resume` takes."""
    parser.add_argument("name", nargs="?", metavar="CAMPAIGN", help="the campaign's name")
    parser.add_argument("--all", action="store_true", dest="everything", help="undo `automation stop --all`")
    parser.add_argument("--channel", metavar="NAME", help="a paused channel")
    parser.add_argument("--restored", action="store_true", help="go on with this restored copy of the store")
    parser.add_argument("--clock", action="store_true", help="confirm that the clock is right now")
    parser.add_data_dir()


def resume(
    invocation: Invocation,
    name: str | None,
    everything: bool,
    channel: str | None,
    restored: bool,
    clock: bool,
    data_dir: Path | None,
) -> None:
    """Resume a stopped or paused campaign.

    Waiting messages are sent unless they are too late; runs that were due in the meantime are skipped. Like `stop`, it
    needs only the store.

    Example: automation resume winback
    """
    if [bool(name), everything, bool(channel), restored, clock].count(True) != 1:
        raise ConfigurationError(
            "name what to resume: automation resume CAMPAIGN, --all, --channel NAME, --restored or --clock"
        )
    if restored:
        found, unread = _accept_restored_copy(invocation, data_dir)
    else:
        with invocation.store_file_only(data_dir) as opened:
            found, unread = _resume(opened, name, channel, clock=clock), opened.unread
    what = name or (f"the channel {channel}" if channel else "everything")
    shown = f"resumed {what}" if found else f"{what} was not stopped or paused"
    value = {"resumed": name or channel or "*", "was_stopped": found, "unread": unread}
    invocation.output.show(value, Text(shown))


def _resume(opened: OpenedFile, name: str | None, channel: str | None, *, clock: bool) -> bool:
    from automation.runner import stopping

    if clock:
        return stopping.resume_after_clock_jump(opened)
    return stopping.resume_channel(opened, channel) if channel else stopping.resume(opened, name)


def _accept_restored_copy(invocation: Invocation, data_dir: Path | None) -> tuple[bool, tuple[str, ...]]:
    """Whether it was one, and what could not be read. It looks into the warehouse, too."""
    from automation.runner.backup import accept_restored_copy

    with invocation.store_only(data_dir) as opened:
        return accept_restored_copy(opened), opened.unread
