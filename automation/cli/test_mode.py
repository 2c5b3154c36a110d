"""The warning that this project sends to no customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automation.cli.output import Block, Text

if TYPE_CHECKING:
    from pathlib import Path

    from automation.cli.invocation import Invocation


def test_mode(to: str | None) -> list[Block]:
    """The warning, if `redirect_all` sends every message to this address."""
    return [] if to is None else [Text(_warning(to), "error")]


def _warning(to: str) -> str:
    return (
        f"TEST MODE: redirect_all sends every message to {to}; customers get nothing, and nothing counts. "
        "Messages that were queued before wait."
    )


def warn_of_test_mode(invocation: Invocation, root: Path) -> None:
    """Print the warning as the daemon starts."""
    from automation.config.settings_file import redirected_to

    to = redirected_to(root)
    if to is not None:
        invocation.output.error(_warning(to))
