"""`automation mailbox`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Text
from automation.types.plural import format_count


def mailbox(context: typer.Context) -> None:
    """Read bounces, complaints and unsubscribes from the mailbox.

    Reads the mailbox of config.yaml once; the daemon does it every minute. Mails that concern no message of ours stay.

    Example: automation mailbox
    """
    from automation.inbound.mailbox import read_mailbox

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        found = read_mailbox(workspace)
    shown = f"read {format_count(found.mails, 'mail')}: {found}" if found.mails else "no new mail"
    invocation.output.show(asdict(found), Text(shown))
