"""A project folder as one frozen value, with every problem of every file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from automation.config.campaigns import CampaignFile, from_source
from automation.config.problems import Problem, in_order, refused
from automation.config.settings import Settings
from automation.config.settings_file import FILE, read_settings
from automation.config.source_map import Source, read_file
from automation.config.template_checks import check_templates
from automation.errors import ConfigurationError
from automation.plugin_manager import Registry

CAMPAIGNS = "campaigns"


@dataclass(frozen=True)
class Project:
    """Everything that a project folder says. `problems` are those of all files; a broken campaign stands among the
    others with `campaign=None`."""

    root: Path
    settings: Settings
    campaigns: Mapping[str, CampaignFile]
    registry: Registry
    problems: tuple[Problem, ...]

    @property
    def data_dir(self) -> Path:
        return self.root / self.settings.data_dir


def load_project(root: Path, registry: Registry, *, environment: Mapping[str, str] | None = None) -> Project:
    """Read config.yaml and campaigns/. Raises ConfigurationError when config.yaml can't be used.

    environment: where `${NAME}` comes from, the process's own when not given.
    """
    if not (root / FILE).exists():
        raise ConfigurationError(f"{root} is not a project: it has no {FILE}; `automation init` makes one")
    _, source = read_file(root / FILE, FILE)
    settings, problems = read_settings(source, registry, os.environ if environment is None else environment)
    if settings is None:
        raise ConfigurationError("\n".join(str(problem) for problem in problems if problem.refuses))
    campaigns = _campaigns(root, settings, registry)
    found = [problem for file in campaigns.values() for problem in file.problems]
    return Project(root, settings, campaigns, registry, in_order((*problems, *found)))


def campaign_paths(root: Path) -> list[Path]:
    """The campaign files, by name."""
    folder = root / CAMPAIGNS
    return sorted(path for path in folder.glob("*") if path.suffix in (".yaml", ".yml")) if folder.is_dir() else []


def _campaigns(root: Path, settings: Settings, registry: Registry) -> dict[str, CampaignFile]:
    files: dict[str, CampaignFile] = {}
    for path in campaign_paths(root):
        relative = path.relative_to(root).as_posix()
        text, source = read_file(path, relative)
        file = _with_templates(root, from_source(source, text, settings, registry), source, settings, registry)
        if file.name in files:
            taken = files[file.name].path
            problem = source.problem(("name",), f"the name {file.name!r} is taken by {taken}")
            file = replace(file, name=relative, campaign=None, problems=in_order((*file.problems, problem)))
        files[file.name] = file
    return files


def _with_templates(
    root: Path, file: CampaignFile, source: Source, settings: Settings, registry: Registry
) -> CampaignFile:
    problems = in_order((*file.problems, *check_templates(root, source, settings, registry)))
    return replace(file, campaign=None if refused(problems) else file.campaign, problems=problems)
