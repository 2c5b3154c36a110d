"""`launch: on_merge`: what is valid in the folder is launched, since the team reviewed it before it got there.

Nobody looks at its plan, so what `automation launch` would refuse is refused here too.
"""

from __future__ import annotations

import structlog

from automation.errors import AutomationError
from automation.runner.guards import refuse_unusual
from automation.runner.launch import launch, may_be_launched, standings
from automation.runner.plan import plan
from automation.runner.preflight import refuse_faulty
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

BY = "on_merge"


def launch_merged(workspace: Workspace) -> list[str]:
    """Launch drafts and changed campaigns, where config.yaml says so; returns why some were not.

    A sample of each one's messages is rendered first. A stopped campaign stays stopped.
    """
    if workspace.project.settings.launch != "on_merge":
        return []
    refused = []
    for standing in standings(workspace):
        valid = standing.file is not None and standing.file.campaign is not None
        if not valid or standing.standing not in ("draft", "changed since launch"):
            continue
        try:
            _launch(workspace, standing.name)
        except AutomationError as error:
            log.warning("not launched", campaign=standing.name, because=str(error))
            refused.append(str(error))
        except Exception as error:
            log.exception("not launched", campaign=standing.name)
            refused.append(f"campaign {standing.name!r} is not launched, its plan can't be made: {error}")
        else:
            log.info("launched", campaign=standing.name, by=BY)
    return refused


def _launch(workspace: Workspace, name: str) -> None:
    may_be_launched(workspace, name)
    made = plan(workspace, name, samples=0, extent="sample")
    refuse_faulty(name, made.preflight)
    refuse_unusual(workspace, name, made.audience)
    launch(workspace, name, by=BY, audience=made.audience)
