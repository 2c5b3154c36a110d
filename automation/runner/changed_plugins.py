"""A plugin that is not the one a campaign was launched with holds the campaign until it is launched again."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from automation.errors import Stopped
from automation.store import launches, pauses
from automation.workspace.pinned_plugins import changed_since_launch
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)


def refuse_changed(workspace: Workspace, campaign: str) -> None:
    """Raise `Stopped` where a plugin that the launched campaign uses has changed."""
    if changes := _changes(workspace, campaign):
        raise Stopped(
            f"campaign {campaign!r} waits: {changes[campaign]}; launch it again: automation launch {campaign}"
        )


def pause_changed(workspace: Workspace) -> list[str]:
    """Pause each campaign whose plugins changed, so that its queued messages wait too; a launch resumes it.

    Returns what changed, a sentence for each campaign.
    """
    changes = _changes(workspace)
    if not changes:
        return []
    with workspace.store.transaction() as connection:
        for name, what in changes.items():
            reason = f"{what}; launch it again: automation launch {name}"
            if pauses.pause(connection, name, reason=reason, now=workspace.clock.now()):
                log.warning("campaign paused", campaign=name, because=what)
    return [f"campaign {name!r} is paused: {what}" for name, what in changes.items()]


def _changes(workspace: Workspace, campaign: str | None = None) -> Mapping[str, str]:
    """Campaign → what changed, of one campaign or of all that are launched."""
    with workspace.store.reading() as connection:
        launched = launches.current_launches(connection)
        found = {
            name: changed_since_launch(connection, workspace.project, launch)
            for name, launch in launched.items()
            if campaign in (None, name)
        }
    return {name: "; ".join(changes) for name, changes in found.items() if changes}
