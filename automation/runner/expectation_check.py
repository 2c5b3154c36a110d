"""Runs the tests that a marketer wrote into a campaign's file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from automation.config.problems import Problem
from automation.config.source_map import read_source

if TYPE_CHECKING:
    from automation.config.campaigns import CampaignFile
    from automation.config.project import Project


def check_campaign_expectations(project: Project, file: CampaignFile) -> Iterator[Problem]:
    """A problem for every expectation that the audience does not meet."""
    from automation.rules.expectation import check_expectations

    if file.campaign is None or not file.campaign.expect:
        return
    settings = project.settings
    checks = check_expectations(
        file.campaign, project.registry, timezone=settings.shop.timezone, segments=settings.segments
    )
    source = read_source(file.text, file.path)
    for number, check in enumerate(checks):
        if not check.passed:
            yield source.problem(("expect", number), check.description)
