"""`automation mailbox`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Text
from automation.types.plural import format_count

if TYPE_CHECKING:
    from automation.inbound.mailbox import MailCounts

_NOUNS = {
    "dead_addresses": ("dead address", "dead addresses"),
    "refused": ("message refused", "messages refused"),
    "delayed": ("message delayed", "messages delayed"),
    "complaints": ("complaint", None),
    "unsubscribes": ("unsubscribe", None),
    "unknown": ("mail about no message of ours", "mails about no message of ours"),
    "unproven": ("report without our token", "reports without our token"),
    "unreadable": ("unreadable mail", None),
}


def mailbox(context: typer.Context) -> None:
    """Read bounces, complaints and unsubscribes from the mailbox.

    Reads the mailbox of config.yaml once; the daemon does it every minute. Mails that concern no message of ours stay.

    Example: automation mailbox
    """
    from automation.inbound.mailbox import read_mailbox

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        counts = read_mailbox(workspace)
    invocation.output.show(asdict(counts), Text(_summary(counts)))


def _summary(counts: MailCounts) -> str:
    if not counts.mails:
        return "no new mail"
    numbers = asdict(counts)
    parts = [format_count(numbers[name], *nouns) for name, nouns in _NOUNS.items() if numbers[name]]
    return f"read {format_count(counts.mails, 'mail')}: {', '.join(parts)}"
