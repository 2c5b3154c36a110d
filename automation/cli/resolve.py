"""`automation resolve`."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from automation.cli.output import Text
from automation.errors import ConfigurationError
from automation.types.plural import format_count

if TYPE_CHECKING:
    from automation.cli.arguments import Parser
    from automation.cli.invocation import Invocation


def add_arguments(parser: Parser) -> None:
    """What `resolve` takes."""
    about = "the message's id, as listed by `automation status RUN`"
    parser.add_argument("message", nargs="?", metavar="MESSAGE", help=about)
    parser.add_argument("--run", type=int, help="instead: every uncertain message of this run")
    parser.add_argument("--sent", action="store_true", help="it arrived")
    parser.add_argument("--not-sent", action="store_true", help="it did not arrive: send it again")
    parser.add_data_dir()


def resolve(
    invocation: Invocation, message: str | None, run: int | None, sent: bool, not_sent: bool, data_dir: Path | None
) -> None:
    """Settle messages whose delivery is uncertain: one, or all of a run, as after a restore.

    Ask the provider first: if you send a message again that had arrived, the customer gets it twice.

    Example: automation resolve 5a1c…e9 --sent
    """
    from automation.runner.resolve import resolve_message, resolve_run

    if sent == not_sent:
        raise ConfigurationError("did it arrive? automation resolve MESSAGE --sent, or --not-sent")
    if (message is None) == (run is None):
        raise ConfigurationError("name what to settle: automation resolve MESSAGE, or --run RUN")
    by = getpass.getuser()
    with invocation.store_file_only(data_dir) as opened:
        if run is not None:
            count = resolve_run(opened, run, sent=sent, by=by)
        else:
            resolve_message(opened, str(message), sent=sent, by=by)
            count = 1
    what = f"message {message}" if run is None else f"{format_count(count, 'message')} of run {run}"
    one, many = ("counts as sent", "count as sent") if sent else ("is queued again", "are queued again")
    value = {"message": message, "run": run, "sent": sent, "messages": count, "unread": opened.unread}
    invocation.output.show(value, Text(f"{what} {one if count == 1 else many}"))
