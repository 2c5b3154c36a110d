"""A project folder as one frozen value, with the problems of all its files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from automation.config.campaigns import CampaignFile, build_campaign
from automation.config.channel_checks import check_channels
from automation.config.problems import Problem, any_refuses, sort_problems
from automation.config.settings import Settings
from automation.config.settings_file import FILE, known_as_written, read_settings
from automation.config.source_map import SourceMap, read_file, read_source
from automation.config.template_checks import check_templates
from automation.errors import ConfigurationError
from automation.plugin_manager import Registry

CAMPAIGNS = "campaigns"


@dataclass(frozen=True)
class Project:
    """A project folder, read. `problems` are those of all files; an invalid campaign is listed with `campaign=None`."""

    root: Path
    settings: Settings
    campaigns: Mapping[str, CampaignFile]
    registry: Registry
    problems: tuple[Problem, ...]
    text: str = ""
    """config.yaml as it was read."""

    @property
    def data_dir(self) -> Path:
        return self.root / self.settings.data_dir


class InvalidProject(ConfigurationError):
    """config.yaml can't be used; `problems` are those of every file, and the text lists them."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load_project(root: Path, registry: Registry, *, environment: Mapping[str, str] | None = None) -> Project:
    """Read config.yaml and campaigns/. Raises `InvalidProject` when config.yaml can't be used.

    environment: the variables for `${NAME}`; by default the process's own.
    """
    if not (root / FILE).exists():
        raise ConfigurationError(f"{root} is not a project: it has no {FILE}; `automation init` makes one")
    text, source = read_file(root / FILE, FILE)
    settings, problems = read_settings(source, registry, os.environ if environment is None else environment)
    campaigns = _campaigns(root, source, settings, registry) if source.value is not None else {}
    found = sort_problems((*problems, *(problem for file in campaigns.values() for problem in file.problems)))
    if settings is None:
        raise InvalidProject(found)
    return Project(root, settings, campaigns, registry, found, text)


def project_of_text(root: Path, text: str, registry: Registry) -> Project:
    """The project without its campaigns, from the text of config.yaml. Raises `InvalidProject`."""
    settings, problems = read_settings(read_source(text, FILE), registry, os.environ)
    if settings is None:
        raise InvalidProject(problems)
    return Project(root, settings, {}, registry, problems, text)


def campaign_paths(root: Path) -> list[Path]:
    """The campaign files by name, without hidden ones such as an editor's."""
    folder = root / CAMPAIGNS
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml") and not p.name.startswith("."))


def _campaigns(root: Path, config: SourceMap, settings: Settings | None, registry: Registry) -> dict[str, CampaignFile]:
    files: dict[str, CampaignFile] = {}
    known = known_as_written(config, registry)
    for path in campaign_paths(root):
        relative = path.relative_to(root).as_posix()
        text, source = read_file(path, relative)
        file = build_campaign(source, text, known, registry)
        problems = []
        if settings:
            problems += check_templates(root, source, settings, registry)
            problems += check_channels(source, settings, registry)
        if file.name in files:
            taken = files[file.name].path
            problems.append(source.problem(("name",), f"the name {file.name!r} is taken by {taken}"))
            file = replace(file, name=relative)
        files[file.name] = _with(file, problems)
    return files


def _with(file: CampaignFile, problems: list[Problem]) -> CampaignFile:
    found = sort_problems((*file.problems, *problems))
    return replace(file, campaign=None if any_refuses(found) else file.campaign, problems=found)
