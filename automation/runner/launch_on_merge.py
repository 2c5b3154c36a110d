"""`launch: on_merge`: valid campaigns in the folder are launched, because the team reviewed them before merging.

Nobody looks at their plans, so everything that `automation launch` would refuse is refused here too.
"""

from __future__ import annotations

import structlog

from automation.errors import AutomationError
from automation.runner.campaign_status import campaign_statuses
from automation.runner.launch import LaunchOptions, plan_and_launch
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

BY = "on_merge"
_OPTIONS = LaunchOptions(samples=0, preflight="sample")


def launch_merged(workspace: Workspace) -> list[str]:
    """Launch drafts and changed campaigns if config.yaml says so; returns why some were not launched.

    A sample of each campaign's messages is rendered first. A stopped campaign stays stopped.
    """
    if workspace.project.settings.launch != "on_merge":
        return []
    refused = []
    for campaign in campaign_statuses(workspace):
        valid = campaign.file is not None and campaign.file.campaign is not None
        if not valid or campaign.state not in ("draft", "changed since launch"):
            continue
        try:
            plan_and_launch(workspace, campaign.name, _OPTIONS, by=BY)
        except AutomationError as error:
            log.warning("campaign not launched", campaign=campaign.name, because=str(error))
            refused.append(str(error))
        except Exception as error:
            log.exception("campaign not launched", campaign=campaign.name)
            refused.append(f"campaign {campaign.name!r} is not launched: planning it failed: {error}")
        else:
            log.info("campaign launched", campaign=campaign.name, by=BY)
    return refused
