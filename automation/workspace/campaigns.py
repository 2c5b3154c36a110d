"""Prepares a campaign for use: parses its text, reads its template files, makes a renderer."""

from __future__ import annotations

from collections.abc import Mapping

from automation.config.campaigns import parse_campaign
from automation.config.project import Project
from automation.errors import ConfigurationError
from automation.messages.render import Renderer
from automation.messages.template.files import Templates, read_templates
from automation.types.campaign import Campaign
from automation.types.template_folders import REASONS


def valid_campaign(project: Project, name: str) -> Campaign:
    """The campaign of that name. Raises `ConfigurationError` with its problems, or with the known names."""
    file = project.campaigns.get(name)
    if file is None:
        known = ", ".join(sorted(project.campaigns)) or "none"
        raise ConfigurationError(f"there is no campaign {name!r}; the project has: {known}")
    if file.campaign is None:
        raise ConfigurationError("\n".join(str(problem) for problem in file.problems if problem.refuses))
    return file.campaign


def template_files(project: Project, campaign: Campaign) -> dict[str, bytes]:
    """Every template file that the campaign's messages are made of, by path; with the shop's texts of reasons."""
    templates = read_templates(project.root)
    files = {path: body for name in campaign.templates() for path, body in templates.files_of(name).items()}
    if campaign.recommend is not None:
        files |= {path: body for path, body in templates.files.items() if path.startswith(f"{REASONS}/")}
    return files


def parse_launched(project: Project, name: str, text: str) -> Campaign:
    """A launched campaign's text. Raises `ConfigurationError` where it no longer fits config.yaml or the plugins."""
    parsed = parse_campaign(text, f"campaigns/{name}.yaml", project.settings, project.registry)
    if parsed.campaign is None:
        problems = "\n".join(str(problem) for problem in parsed.problems)
        raise ConfigurationError(f"campaign {name!r} as launched no longer fits:\n{problems}")
    return parsed.campaign


def renderer_of(project: Project, files: Mapping[str, bytes]) -> Renderer:
    """A renderer over these template files, with the plugins' filters."""
    return Renderer(Templates.from_content(files), filters=project.registry.filters())
