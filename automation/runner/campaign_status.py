"""What state each campaign is in: draft, launched, changed since launch, its file gone, stopped or invalid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from automation.config.campaigns import CampaignFile
from automation.config.project import Project
from automation.ids import content_hash
from automation.store import launches, pauses
from automation.store.launches import DOUBLE_OPT_IN, Launched
from automation.workspace.campaigns import template_files
from automation.workspace.opened import Opened
from automation.workspace.pinned_plugins import find_changes

CampaignState = Literal["invalid", "draft", "launched", "changed since launch", "file is gone", "stopped"]


@dataclass(frozen=True)
class CampaignStatus:
    """file: None where a launched campaign's file was removed. launched: its current launch, if it was launched."""

    name: str
    state: CampaignState
    file: CampaignFile | None
    launched: Launched | None

    @property
    def errors(self) -> list[str]:
        """What makes the file invalid."""
        problems = self.file.problems if self.file is not None else ()
        return [str(problem) for problem in problems if problem.refuses]


def campaign_statuses(opened: Opened) -> list[CampaignStatus]:
    """Every campaign, by name; the launched ones where the project's files were not read."""
    with opened.store.reading() as connection:
        stopped = pauses.paused_scopes(connection).scopes
    found = unstopped_statuses(opened)
    return [replace(status, state="stopped") if status.name in stopped else status for status in found]


def unstopped_statuses(opened: Opened) -> list[CampaignStatus]:
    """As `campaign_statuses`, as if none of them were stopped."""
    with opened.store.reading() as connection:
        launched = launches.current_launches(connection)
    project = opened.project
    if project is None:
        return [CampaignStatus(name, "launched", None, launch) for name, launch in sorted(launched.items())]
    found = []
    for name in sorted({*project.campaigns, *launched}):
        file, launch = project.campaigns.get(name), launched.get(name)
        found.append(CampaignStatus(name, _state(project, file, launch), file, launch))
    return found


def _state(project: Project, file: CampaignFile | None, launch: Launched | None) -> CampaignState:
    if file is not None and file.campaign is None:
        return "invalid"
    if launch is None:
        return "draft"
    if file is None:
        return "launched" if launch.launched_by == DOUBLE_OPT_IN else "file is gone"
    return "launched" if _is_unchanged(project, file, launch) else "changed since launch"


def _is_unchanged(project: Project, file: CampaignFile, launch: Launched) -> bool:
    assert file.campaign is not None
    bodies = template_files(project, file.campaign)
    templates = {path: content_hash(body) for path, body in bodies.items()}
    if content_hash(file.text.encode()) != launch.campaign_sha256 or templates != dict(launch.templates):
        return False
    texts = [file.text, *(body.decode("utf-8", "replace") for body in bodies.values())]
    return not find_changes(project, launch.plugins, texts)
