"""`automation stop`."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from automation.cli.output import Text
from automation.errors import ConfigurationError

if TYPE_CHECKING:
    from automation.cli.arguments import Parser
    from automation.cli.invocation import Invocation


def add_arguments(parser: Parser) -> None:
    """What `stop` takes."""
    parser.add_argument("name", nargs="?", metavar="CAMPAIGN", help="the campaign's name")
    parser.add_argument("--all", action="store_true", dest="everything", help="every campaign, launched or not")
    parser.add_data_dir()


def stop(invocation: Invocation, name: str | None, everything: bool, data_dir: Path | None) -> None:
    """Stop a campaign, or everything, before the next message.

    Messages already being sent still arrive; nothing else is sent until `automation resume`, even after a restart. It
    needs only the store: it works while config.yaml is broken, a secret is not set or a plugin can't be loaded.

    Example: automation stop --all
    """
    from automation.runner import stopping

    if (name is None) == (not everything):
        raise ConfigurationError("name what to stop: automation stop CAMPAIGN, or automation stop --all")
    with invocation.store_file_only(data_dir) as opened:
        stopping.stop(
            opened, name, by=getpass.getuser(), drafts=opened.drafts, while_locked=invocation.output.error
        )  # fmt: skip
    again = f"automation resume {name or '--all'}"
    value = {"stopped": name or "*", "unread": opened.unread}
    invocation.output.show(value, Text(f"stopped {name or 'everything'}; to resume: {again}"))
