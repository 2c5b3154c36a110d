"""What `validate` finds about one campaign, for its plan and its launch: the same problems, of the same severity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from automation.config.campaigns import CampaignFile
from automation.config.data_checks import check_against, check_money
from automation.config.problems import Problem, sort_problems
from automation.config.project import Project
from automation.config.settings_file import FILE
from automation.errors import AutomationError, ConfigurationError
from automation.rules.reads import offer_conditions, used_segments
from automation.runner.expectation_check import check_campaign_expectations
from automation.runner.language_check import check_languages
from automation.runner.reachability_check import check_audience_rules, check_schedule, check_segment_rules
from automation.types.seen import Seen
from automation.types.template_folders import LAYOUTS


def campaign_problems(project: Project, name: str, seen: Seen, now: datetime) -> tuple[Problem, ...]:
    """In the campaign's file, the texts of its templates, and the segments and offers of config.yaml that it uses.

    What is wrong inside a template shows when messages are rendered, which a plan does.
    """
    file = project.campaigns[name]
    every = [
        *project.problems,
        *check_languages(project),
        *check_campaign_expectations(project, file),
        *check_segment_rules(project),
        *check_audience_rules(project, file, now),
        *check_schedule(project, file, now),
    ]
    every += check_against(project, seen) if has_data(project) else check_money(project, Seen())
    return sort_problems(problem for problem in every if _is_about(problem, project, file))


def has_data(project: Project) -> bool:
    """Whether anything was imported yet; before that, every word is new."""
    folder = project.data_dir / "warehouse"
    return project.settings.warehouse is not None or any((folder / name).exists() for name in ("customers", "events"))


def refuse_problems(name: str, problems: Sequence[Problem]) -> None:
    """Raises `ConfigurationError` for what a run can't work with."""
    errors = [str(problem) for problem in problems if problem.refuses]
    if errors:
        raise ConfigurationError(f"campaign {name!r} can't run:\n" + "\n".join(errors))


def refuse_warnings(name: str, problems: Sequence[Problem]) -> None:
    """Raises `AutomationError` where a person has to look at a warning first."""
    warnings = [f"  {problem}" for problem in problems if not problem.refuses]
    if warnings:
        raise AutomationError(
            f"campaign {name!r} is not launched:\n" + "\n".join(warnings) + "\nmend the file, or if it is as you mean "
            f"it: automation launch {name} --accept-warnings"
        )


def _is_about(problem: Problem, project: Project, file: CampaignFile) -> bool:
    if problem.file == file.path:
        return True
    campaign = file.campaign
    if campaign is None:
        return False
    if problem.file == FILE:
        return problem.path == "shop" or problem.path.startswith(tuple(_entries(project, file)))
    return problem.file.startswith(tuple(f"templates/{name}/" for name in (LAYOUTS, *campaign.templates())))


def _entries(project: Project, file: CampaignFile) -> Iterator[str]:
    """Where config.yaml describes the segments and offers that the campaign uses."""
    assert file.campaign is not None
    conditions = [file.campaign.audience.condition, *offer_conditions(file.campaign)]
    yield from (f"segments.{name}." for name in used_segments(conditions, project.settings.segments))
    offer = file.campaign.offer
    if offer is not None:
        yield from (f"offers.{name}." for name in (offer.fixed, *offer.choose) if name is not None)
