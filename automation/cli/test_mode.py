"""The line that nobody should overlook: this project sends to no customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automation.cli.output import Block, Text

if TYPE_CHECKING:
    from pathlib import Path

    from automation.cli.invocation import Invocation
    from automation.config.project import Project


def test_mode(project: Project) -> list[Block]:
    """What `redirect_all` does, where it is set."""
    to = project.settings.testing.redirect_all
    return [] if to is None else [Text(in_words(to), "bad")]


def in_words(to: str) -> str:
    return (
        f"TEST MODE: redirect_all sends every message to {to}; no customer gets one, and nothing counts. "
        "What was promised to customers before waits."
    )


def announce(invocation: Invocation, root: Path) -> None:
    """Say it as the daemon starts, whatever the log says."""
    from automation.config.settings_file import redirected_to

    to = redirected_to(root)
    if to is not None:
        invocation.output.error(in_words(to))
