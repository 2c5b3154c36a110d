"""Guards that hold a run before anybody is contacted: stale data, the same people again, an unusual audience; and a
warehouse that can't be read, at any time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

import polars as pl

from automation.config.project import Project
from automation.contracts import Snapshot, tables_read
from automation.errors import AutomationError
from automation.event_types import PURCHASE
from automation.pipeline.timing import DEFAULT_LATENESS
from automation.rules.reads import offer_conditions
from automation.runner.held_runs import DAMAGED, STALE, describe_hold
from automation.store import holds, runs
from automation.store.runs import RunRow
from automation.types.campaign import Campaign
from automation.types.condition import Condition, Measure, leaves
from automation.types.plural import format_count
from automation.types.run import RunKind
from automation.warehouse.embedded import Warehouse
from automation.workspace.opened import Opened
from automation.workspace.shop_format import shop_format
from automation.workspace.warehouse_damage import warehouse_damage
from automation.workspace.workspace import Workspace

REPEAT, SIZE = "repeat", "size"
_HISTORY = 12
_FEWEST_RUNS = 3
_SPREAD = 5.0
_DEVIATION = 1.4826  # of a normal distribution, in median absolute deviations
_WITHOUT_HISTORY = timedelta(hours=20)


@dataclass(frozen=True)
class Hold:
    """Why a run is held: the guard, and a text for people."""

    guard: str
    what: str


def max_lateness(campaign: Campaign) -> timedelta:
    """How long after its due time a run may still begin."""
    schedule = campaign.schedule
    return schedule.max_lateness if schedule is not None and schedule.max_lateness else DEFAULT_LATENESS


# Sound and fresh data


def check_warehouse(workspace: Workspace) -> Hold | None:
    """A hold if the warehouse can't be read, or lacks a table that it had; nobody can release it from that."""
    damage = warehouse_damage(workspace)
    return Hold(DAMAGED, f"the warehouse is damaged: {'; '.join(damage)}") if damage else None


def check_freshness(workspace: Workspace, campaign: Campaign, warehouse: Warehouse, as_of: datetime) -> Hold | None:
    """A hold if the newest event of a type that the campaign uses is older than its limit."""
    limits = _limits(campaign, workspace.project)
    if not limits:
        return None
    newest = _newest(warehouse.snapshot(as_of), list(limits))
    for name, limit in sorted(limits.items()):
        at = newest.get(name)
        if at is None or as_of - at > limit:
            newest_event = (
                f"no {name} events found"
                if at is None
                else f"the newest {name} event is from {shop_format(workspace).time(at)}"
            )
            return Hold(STALE, f"stale data: {newest_event} (limit: {_describe_span(limit)})")
    return None


def _limits(campaign: Campaign, project: Project) -> dict[str, timedelta]:
    looked_at = event_types_used(campaign, project)
    shop = {name: limit for name, limit in project.settings.freshness.items() if name in looked_at}
    return {**shop, **campaign.limits.freshness}


def _newest(data: Snapshot, types: Sequence[str]) -> dict[str, datetime]:
    events = data.events.filter(data.events.type.isin(types))
    found: pl.DataFrame = events.group_by("type").agg(newest=events.occurred_at.max()).to_polars()
    return dict(found.select("type", "newest").iter_rows())


def event_types_used(campaign: Campaign, project: Project) -> set[str]:
    """The event types that the campaign's rules and models depend on; purchases, if that can't be determined."""
    wanted = (campaign.audience.condition, *offer_conditions(campaign))
    found = {name for condition in wanted for name in _of(condition, project)}
    by = campaign.audience.by
    if isinstance(by, Measure):
        found |= set(_of(by.events, project))
    learns = campaign.recommend is not None or isinstance(by, str)
    return found | ({PURCHASE} if learns else set())


def _of(condition: Condition, project: Project) -> Iterator[str]:
    segments = project.settings.segments
    for leaf in leaves(condition):
        named = getattr(leaf.options, leaf.key, None)
        if leaf.key in ("did", "did_not"):
            yield str(named)
        elif leaf.key == "segment" and str(named) in segments:
            yield from _of(segments[str(named)], project)
        elif not _FRESH_ANYWAY.issuperset(tables_read(project.registry.find("rules", leaf.key))):
            yield PURCHASE


_FRESH_ANYWAY = frozenset({"customers", "decisions"})
"""Tables that never make a campaign's data stale: an import of purchases doesn't change them."""


# The same people again, and too many people


def check_audience(
    workspace: Workspace, run: RunRow, campaign: Campaign, members: Sequence[Sequence[str]]
) -> Hold | None:
    """A hold if many of these people just got this campaign, or they are unusually many; released guards pass."""
    guards = workspace.project.settings.guards
    found = []
    if "repeat" not in guards.off and not is_released(run, REPEAT):
        found.append(_repeated(workspace, run, campaign, members))
    if "size" not in guards.off and not is_released(run, SIZE):
        found.append(check_size(workspace, campaign.name, sum(map(len, members))))
    return next((hold for hold in found if hold is not None), None)


def is_released(run: RunRow, guard: str) -> bool:
    """Whether somebody released the run from this guard."""
    return guard in run.released_by or "*" in run.released_by


def _repeated(workspace: Workspace, run: RunRow, campaign: Campaign, members: Sequence[Sequence[str]]) -> Hold | None:
    guard = workspace.project.settings.guards.repeat
    with workspace.store.reading() as connection:
        within = guard.within or _half_of_usual(campaign, runs.find(connection, campaign=campaign.name, limit=_HISTORY))
        if campaign.reentry.lasts(within):
            return None  # reentry refuses each of them
        recent = holds.recent_recipients(connection, campaign.name, since=workspace.clock.now() - within, but=run.id)
    audience = pl.Series("customer_id", [customer for batch in members for customer in batch], dtype=pl.String)
    again = int(audience.is_in(recent.implode()).sum())
    if again < guard.at_least or again < float(guard.above) * len(audience):
        return None
    share = again / len(audience)
    return Hold(
        REPEAT,
        f"{again:,} of its {format_count(len(audience), 'person', 'people')} ({share:.0%}) got this campaign within "
        f"the last {_describe_span(within)}; the limit is {float(guard.above):.0%}",
    )


def _half_of_usual(campaign: Campaign, history: Sequence[RunRow]) -> timedelta:
    """Half of the usual time between two runs: by the last runs, else by the schedule."""
    due = sorted(run.due_at for run in history if run.kind is RunKind.SCHEDULE)
    gaps = [later - earlier for earlier, later in pairwise(due)]
    if len(gaps) >= 2:
        return timedelta(seconds=median(gap.total_seconds() for gap in gaps) / 2)
    every = campaign.schedule.every if campaign.schedule else None
    return _WITHOUT_HISTORY if every is None else every.usual_gap / 2


def check_size(workspace: Workspace, campaign: str, audience: int) -> Hold | None:
    """A hold if the audience is far larger than the median of the last runs, and outside their spread, or if it is
    empty and none of theirs was.

    Spread: 5 median absolute deviations, scaled to a normal distribution (Leys et al. 2013). With fewer than three
    runs nothing is unusually large.
    """
    guard = workspace.project.settings.guards.size
    if "size" in workspace.project.settings.guards.off or 0 < audience < guard.at_least:
        return None
    with workspace.store.reading() as connection:
        sizes = holds.audience_sizes(connection, campaign, limit=_HISTORY)
    if not audience:
        return _emptied(sizes)
    if len(sizes) < _FEWEST_RUNS:
        return None
    usual = median(sizes)
    spread = _DEVIATION * median(abs(size - usual) for size in sizes)
    if audience <= guard.above * usual or audience <= usual + _SPREAD * spread:
        return None
    return Hold(
        SIZE,
        f"its audience is {audience:,}, {audience / max(usual, 1):.1f} times the usual {usual:,.0f} "
        f"(median of its last {format_count(len(sizes), 'run')}); the limit is {guard.above:g} times",
    )


def _emptied(sizes: Sequence[int]) -> Hold | None:
    if not sizes or 0 in sizes:
        return None
    before = f"that of its last run was {sizes[0]:,}"
    if len(sizes) > 1:
        before = f"none of its last {len(sizes)} runs had an empty one (median {median(sizes):,.0f})"
    return Hold(SIZE, f"its audience is empty, and {before}")


def refuse_unusual_size(workspace: Workspace, campaign: str, audience: int) -> None:
    """Raises `AutomationError` if the audience of a campaign to launch is unusual."""
    hold = check_size(workspace, campaign, audience)
    if hold is not None:
        raise AutomationError(
            f"campaign {campaign!r} is not launched: {hold.what}\n"
            f"  to launch it anyway: automation launch {campaign} --override-guards"
        )


def _describe_span(span: timedelta) -> str:
    """`2 days`, `3 days 12 hours`, `90 seconds`."""
    days, rest = divmod(int(span.total_seconds()), 86_400)
    hours, minutes = rest // 3_600, rest % 3_600 // 60
    found = [(days, "day"), (hours, "hour"), (minutes, "minute")]
    parts = [format_count(count, unit) for count, unit in found if count]
    return " ".join(parts) or format_count(rest, "second")


# Releasing


def release(opened: Opened, run_id: int, *, by: str) -> RunRow:
    """Release a held run. Raises `AutomationError` if it isn't held."""
    with opened.store.transaction() as connection:
        run = runs.get(connection, run_id)
        if run.hold is None:
            raise AutomationError(f"run {run_id} is not held: it is {run.state.value}")
        holds.release(connection, run, by=by)
    return run


def refuse_held(run: RunRow) -> None:
    """Raises `AutomationError` with what to do where the run is held."""
    if run.hold is not None:
        raise AutomationError(f"{describe_hold(run)}\n  to send it anyway: automation release {run.id}")
