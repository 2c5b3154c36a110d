"""Launched campaigns exactly as launched: file and templates from the store, not from the project folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy.engine import Connection

from automation.config.project import Project
from automation.messages.campaign_texts import find_shown_values
from automation.messages.render import Renderer
from automation.store import launches
from automation.store.launches import Launched
from automation.types.campaign import Campaign
from automation.types.shown_values import ShownValues
from automation.workspace.campaigns import parse_launched
from automation.workspace.campaigns import renderer_of as renderer

__all__ = ["LaunchedCampaign", "LaunchedCampaigns", "renderer"]


@dataclass(frozen=True)
class LaunchedCampaign:
    """A launch, its campaign, and a renderer over its templates."""

    launch: Launched
    campaign: Campaign
    renderer: Renderer

    @cached_property
    def shown(self) -> ShownValues:
        """What its texts show of each customer beside the traits."""
        return find_shown_values(self.renderer, self.campaign)


@dataclass
class LaunchedCampaigns:
    """Launches, read from the store once and cached, since they never change."""

    project: Project
    found: dict[int, LaunchedCampaign] = field(default_factory=dict)

    def get(self, connection: Connection, launch_id: int) -> LaunchedCampaign:
        """Raises `ConfigurationError` if the launched file no longer fits config.yaml or the plugins."""
        if launch_id not in self.found:
            self.found[launch_id] = self._read(connection, launches.read_launch(connection, launch_id))
        return self.found[launch_id]

    def _read(self, connection: Connection, launch: Launched) -> LaunchedCampaign:
        text = launches.read_content(connection, launch.campaign_sha256).decode()
        campaign = parse_launched(self.project, launch.campaign, text)
        return LaunchedCampaign(launch, campaign, renderer(self.project, _files(connection, launch.templates)))


def _files(connection: Connection, manifest: Mapping[str, str]) -> dict[str, bytes]:
    return {path: launches.read_content(connection, sha256) for path, sha256 in manifest.items()}
