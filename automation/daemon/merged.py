"""`launch: on_merge`: whatever is valid in the folder is launched, since the team reviewed it before it got there."""

from __future__ import annotations

import structlog

from automation.errors import AutomationError
from automation.runner.launch import launch, standings
from automation.runner.workspace import Workspace

log = structlog.get_logger(__name__)

BY = "on_merge"


def launch_merged(workspace: Workspace) -> list[str]:
    """Launch drafts and changed campaigns, where config.yaml says so; a stopped one stays stopped."""
    if workspace.project.settings.launch != "on_merge":
        return []
    launched = []
    for standing in standings(workspace):
        valid = standing.file is not None and standing.file.campaign is not None
        if not valid or standing.standing not in ("draft", "changed since launch"):
            continue
        try:
            launch(workspace, standing.name, by=BY, audience=None)
        except AutomationError as error:
            log.warning("not launched", campaign=standing.name, because=str(error))
        else:
            launched.append(standing.name)
            log.info("launched", campaign=standing.name, by=BY)
    return launched
