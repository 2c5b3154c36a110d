"""What can never happen: rules that hold for nobody, and schedules whose times are all past."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from automation.config.problems import Problem
from automation.config.settings_file import FILE
from automation.config.source_map import read_file, read_source

if TYPE_CHECKING:
    from automation.config.campaigns import CampaignFile
    from automation.config.project import Project
    from automation.types.schedule import Schedule

_LAST_ZONE = "Etc/GMT+12"
"""Where a day ends last, for `timezone: customer`."""


def check_segment_rules(project: Project) -> Iterator[Problem]:
    """The named conditions of config.yaml that can hold for nobody."""
    from automation.rules.contradictions import find_contradictions

    segments = project.settings.segments
    _, source = read_file(project.root / FILE, FILE)
    for condition in segments.values():
        for path, why in find_contradictions(condition, segments):
            yield source.problem(source.path_of(path), why)


def check_audience_rules(project: Project, file: CampaignFile, now: datetime) -> Iterator[Problem]:
    """The rules of a campaign that can hold for nobody, or not yet, and a ranking that can rank nobody."""
    from automation.rules.contradictions import find_contradictions, find_future_spans

    if file.campaign is None:
        return
    source, segments = read_source(file.text, file.path), project.settings.segments
    audience = file.campaign.audience
    for path, why in find_contradictions(audience.condition, segments):
        yield source.problem(source.path_of(path), why)
    today = now.astimezone(ZoneInfo(project.settings.shop.timezone)).date()
    for path, why in find_future_spans(audience.condition, today):
        yield source.problem(source.path_of(path), why, severity="warning")
    if isinstance(audience.by, str) and audience.by in segments:
        what = f"the segment {audience.by!r} is a condition, which gives nobody a score to be ranked by"
        yield source.problem(("audience", "by"), what)


def check_schedule(project: Project, file: CampaignFile, now: datetime) -> Iterator[Problem]:
    """A warning for a schedule that is never due again."""
    from automation.schedule.due_times import next_due

    if file.campaign is None or file.campaign.schedule is None:
        return
    schedule, settings = file.campaign.schedule, project.settings
    zone = {"shop": settings.shop.timezone, "customer": _LAST_ZONE}.get(schedule.timezone, schedule.timezone)
    if next_due(schedule, [ZoneInfo(zone)], now, holidays=settings.holidays) is not None:
        return
    today = now.astimezone(ZoneInfo(zone)).date()
    begins = max((day for day in (schedule.from_, _day(schedule)) if day is not None), default=None)
    ends = min((day for day in (schedule.until, _day(schedule)) if day is not None), default=None)
    if ends is not None and ends <= today:
        what = f"is wholly in the past: its last day was {ends}, so no run will ever be due"
    elif begins is not None and begins > today:
        return
    else:
        what = "has no due time in the next two years"
    yield read_source(file.text, file.path).problem(("schedule",), what, key=True, severity="warning")


def _day(schedule: Schedule) -> date | None:
    return None if schedule.at is None else schedule.at.wall.date()
