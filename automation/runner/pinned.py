"""A launched campaign exactly as it was launched: its file and its templates from the store, not from the folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from automation.config.campaigns import parse_campaign
from automation.config.project import Project
from automation.errors import ConfigurationError
from automation.pipeline.render import Renderer
from automation.pipeline.templates import Templates
from automation.store import launches
from automation.store.launches import Launched
from automation.types.campaign import Campaign


@dataclass(frozen=True)
class Pinned:
    """A launch, its campaign, and a renderer over its templates."""

    launch: Launched
    campaign: Campaign
    renderer: Renderer


@dataclass
class PinnedCampaigns:
    """Launches read from the store once and kept while the process lives: they never change."""

    project: Project
    found: dict[int, Pinned] = field(default_factory=dict)

    def get(self, connection: Connection, launch_id: int) -> Pinned:
        """Raises `ConfigurationError` where the pinned file no longer fits config.yaml or the plugins."""
        if launch_id not in self.found:
            self.found[launch_id] = self._read(connection, launches.launch_of(connection, launch_id))
        return self.found[launch_id]

    def _read(self, connection: Connection, launch: Launched) -> Pinned:
        text = launches.content(connection, launch.campaign_sha256).decode()
        parsed = parse_campaign(text, f"campaigns/{launch.campaign}.yaml", self.project.settings, self.project.registry)
        if parsed.campaign is None:
            problems = "\n".join(str(problem) for problem in parsed.problems)
            raise ConfigurationError(f"campaign {launch.campaign!r} as launched no longer fits:\n{problems}")
        return Pinned(launch, parsed.campaign, renderer(self.project, _files(connection, launch.templates)))


def renderer(project: Project, files: Mapping[str, bytes]) -> Renderer:
    """A renderer over these template files, with the plugins' filters."""
    return Renderer(Templates.from_content(files), filters=project.registry.filters())


def _files(connection: Connection, manifest: Mapping[str, str]) -> dict[str, bytes]:
    return {path: launches.content(connection, sha256) for path, sha256 in manifest.items()}
