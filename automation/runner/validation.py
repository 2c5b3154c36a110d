"""Everything that `automation validate` checks, each problem with its place in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automation.clock import Clock, SystemClock
from automation.config.channel_checks import spell_channel_order
from automation.config.problems import Problem, sort_problems
from automation.config.settings_file import FILE

if TYPE_CHECKING:
    from datetime import datetime

    from automation.config.campaigns import CampaignFile
    from automation.config.project import Project
    from automation.plugin_manager import Registry


@dataclass(frozen=True)
class Validation:
    """A project folder with every problem of every file. project: None where config.yaml can't be used."""

    root: Path
    project: Project | None
    problems: Sequence[Problem]

    @property
    def invalid_files(self) -> set[str]:
        """The files that can't be used as they are."""
        return {problem.file for problem in self.problems if problem.refuses}

    @property
    def valid(self) -> bool:
        return not self.invalid_files

    @property
    def campaigns(self) -> list[CampaignFile]:
        return [] if self.project is None else list(self.project.campaigns.values())

    @property
    def channel_orders(self) -> dict[str, str]:
        """By campaign with several channels, whom each channel takes, in words."""
        found: dict[str, str] = {}
        for file in self.campaigns:
            campaign, settings = file.campaign, self.project.settings if self.project else None
            if campaign is None or settings is None:
                continue
            orders = dict.fromkeys(send.channels for send in campaign.sends.values() if len(send.channels) > 1)
            marketing = settings.topics.get(campaign.topic) == "marketing"
            told = [spell_channel_order(order, campaign.topic, marketing=marketing) for order in orders]
            if told:
                found[campaign.name] = "; ".join(told)
        return found


def validate(root: Path, clock: Clock | None = None, *, trusted: bool = True) -> Validation:
    """Check every file and run the campaigns' own tests. Raises `PluginError`.

    trusted: otherwise the project is a stranger's. Nothing in its folder is run, no environment variable is read, and
    neither its data nor the shop's warehouse is opened.
    """
    return Validation(root, *_all_problems(root, (clock or SystemClock()).now(), trusted=trusted))


def _all_problems(root: Path, now: datetime, *, trusted: bool) -> tuple[Project | None, tuple[Problem, ...]]:
    from automation.config.environment import UnreadEnvironment
    from automation.config.project import InvalidProject, load_project
    from automation.runner.expectation_check import check_campaign_expectations
    from automation.runner.language_check import check_languages
    from automation.runner.reachability_check import check_audience_rules, check_schedule, check_segment_rules
    from automation.workspace.plugins import registry_of

    registry = registry_of(root, own=trusted)
    try:
        project = load_project(root, registry, environment=None if trusted else UnreadEnvironment())
    except InvalidProject as error:
        return None, error.problems
    found = [*project.problems, *_plugins(root, registry), *_confirmations(project), *_pages(project)]
    if trusted:
        found += [*_words(project), *_gone(project)]
    for file in project.campaigns.values():
        if trusted or not project.settings.conditions:  # conditions in SQL are code
            found += check_campaign_expectations(project, file)
        found += [
            *_templates(project, file),
            *check_audience_rules(project, file, now),
            *check_schedule(project, file, now),
        ]
    found += [*check_languages(project), *check_segment_rules(project)]
    return project, sort_problems(found)


def _plugins(root: Path, registry: Registry) -> Iterator[Problem]:
    """What the project's own plugins get wrong; installed ones are their authors' to check."""
    from automation.runner.plugin_check import check_plugin

    for plugin in registry.plugins.values():
        if plugin.origin == "project":
            place = Path(plugin.location).resolve().relative_to(root.resolve()).as_posix()
            yield from (Problem(place, 1, 1, "", what) for what in check_plugin(registry, plugin))


def _words(project: Project) -> tuple[Problem, ...]:
    """What rules and texts ask of events and traits that the data does not have, where there is data."""
    from automation.config.data_checks import check_against, check_money
    from automation.runner.campaign_problems import has_data
    from automation.types.seen import Seen

    if not has_data(project):
        return tuple(check_money(project, Seen()))
    from automation.errors import AutomationError
    from automation.runner.trait_check import check_traits
    from automation.workspace.workspace import warehouse_of

    try:
        warehouse = warehouse_of(project)
    except AutomationError as error:
        what = f"event types and traits can't be checked, the shop's warehouse can't be read: {error}"
        return (Problem(FILE, 1, 1, "warehouse", what, "warning"),)
    try:
        seen = warehouse.read_seen()
        return (*check_against(project, seen), *check_traits(project, seen))
    finally:
        warehouse.close()


def _gone(project: Project) -> Iterator[Problem]:
    """Warnings about launched campaigns whose files were removed; they run on."""
    from automation.errors import StoreError
    from automation.store.launches import DOUBLE_OPT_IN, current_launches
    from automation.store.pauses import paused_scopes
    from automation.store.store_file import open_store_file
    from automation.workspace.data_folder import STORE

    path = project.data_dir / STORE
    if not path.exists():
        return
    try:
        store = open_store_file(path)
    except StoreError:
        return  # reported by every command that needs it
    try:
        with store.reading() as connection:
            launched, stopped = current_launches(connection), paused_scopes(connection).scopes
    finally:
        store.close()
    for name, launch in sorted(launched.items()):
        if name not in project.campaigns and name not in stopped and launch.launched_by != DOUBLE_OPT_IN:
            what = f"the campaign is launched and runs on, but its file is gone; to end it: automation stop {name}"
            yield Problem(f"campaigns/{name}.yaml", 1, 1, "", what, "warning")


def _confirmations(project: Project) -> Iterator[Problem]:
    """Templates that ask to confirm a consent and are not there, or have no link that confirms."""
    from automation.config.problems import unknown_name
    from automation.config.settings_file import FILE
    from automation.config.source_map import read_file
    from automation.types.template_folders import NO_TEMPLATES

    _, source = read_file(project.root / FILE, FILE)
    folder = project.root / "templates"
    for topic, how in project.settings.consent.double_opt_in.items():
        path = ("consent", "double_opt_in", topic, "template")
        files = [file for file in (folder / how.template).glob("*") if file.is_file()]
        if not files:
            known = sorted(
                entry.name for entry in folder.glob("*") if entry.is_dir() and entry.name not in NO_TEMPLATES
            )
            yield source.problem(path, unknown_name("template", how.template, known))
        elif not any(b"links.confirm" in file.read_bytes() for file in files):
            yield source.problem(path, f"the template {how.template!r} shows no {{{{ links.confirm }}}} to confirm by")


def _pages(project: Project) -> Iterator[Problem]:
    """What is wrong with the shop's own pages of the web app."""
    if not (project.root / "templates" / "web").is_dir():
        return
    from automation.errors import ConfigurationError
    from automation.messages.pages import OWN, Pages, missing_texts

    try:
        Pages(project)
        for language, names in missing_texts(project.root).items():
            what = f"shown in English, since the texts are missing here: {', '.join(names)}"
            yield Problem(f"{OWN}/{language}.yaml", 1, 1, "", what, "warning")
    except ConfigurationError as error:
        file, _, what = str(error).partition(": ")
        yield Problem(file, 1, 1, "", what)


def _templates(project: Project, file: CampaignFile) -> Iterator[Problem]:
    """What is wrong inside the templates that the campaign names."""
    from automation.messages.campaign_texts import subjects_of
    from automation.workspace.campaigns import renderer_of, template_files

    if file.campaign is None:
        return
    make = renderer_of(project, template_files(project, file.campaign))
    subjects = subjects_of(file.campaign, file.path)
    for name in file.campaign.templates():
        for error in make.check(name, subjects):
            yield Problem(error.file, error.line or 1, 1, "", error.what)
