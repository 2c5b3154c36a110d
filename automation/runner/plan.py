"""`plan`: the same stages as a run, on the campaign's file as it is now; nothing is stored or sent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from automation.clock import ManualClock, monotonic
from automation.config.problems import Problem
from automation.messages.campaign_texts import find_shown_values
from automation.pipeline.audience import FrozenAudience, freeze
from automation.pipeline.decide import RunContext, decide, recheck_caps
from automation.pipeline.top import Narrowed, read_narrowed
from automation.pipeline.tracking import find_untracked
from automation.rules.costs import RuleCost, measure_costs
from automation.rules.reads import offer_conditions, reads_decisions
from automation.runner import guards
from automation.runner.campaign_problems import campaign_problems, refuse_problems
from automation.runner.competing_runs import with_competing_runs
from automation.runner.context import at_step, build_context, plan_offers, reach_of
from automation.runner.link_check import check_links
from automation.runner.plan_counts import PlanCounts
from automation.runner.planning_time import PlanningTime
from automation.runner.preflight import Extent, Preflight, Rendering
from automation.runner.samples import Sample, render_samples
from automation.store import runs
from automation.store.ledger import decisions
from automation.types.campaign import Campaign
from automation.types.progress import Progress, quiet
from automation.types.run import RunState
from automation.types.shown_values import ShownValues
from automation.warehouse.batch_file import BatchFile
from automation.warehouse.embedded import Warehouse
from automation.warehouse.history import freeze_history
from automation.warehouse.shown_values import freeze_shown_values
from automation.workspace.campaigns import renderer_of, template_files, valid_campaign
from automation.workspace.decision_mirror import refresh_mirror
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.models_in_use import active_versions, describe_old_models
from automation.workspace.profiles import refresh_for
from automation.workspace.snapshots import snapshot
from automation.workspace.tracking import tracking_policy
from automation.workspace.workspace import Workspace

SAMPLES = 5


@dataclass(frozen=True)
class Plan:
    """What the campaign would do if it ran now; of a journey, if everybody who may enter came to its first message.

    Every message of a journey is rendered for each of them.
    """

    campaign: str
    as_of: datetime
    audience: int
    outcomes: Mapping[tuple[str, str], int]
    """Customers by outcome and reason."""
    variants: Mapping[tuple[str, str], int]
    """Customers by variant and outcome."""
    offers: Mapping[str, int]
    promised_cost: float
    samples: Sequence[Sample]
    entering: int | None
    """Customers who were not in the audience of the campaign's last run; None if it never ran."""
    leaving: int | None
    seconds: float
    preflight: Preflight
    displaced: Mapping[str, int]
    """By campaign, how many of its queued messages would lose their cap slot to this one."""
    warnings: Sequence[str] = ()
    rules: Sequence[RuleCost] = ()
    """Every rule of the audience on its own, as written, the slowest first."""
    problems: Sequence[Problem] = ()
    """The warnings of `automation validate` about this campaign."""
    templates: Mapping[str, bytes] = field(default_factory=dict)
    """The template files that were rendered, by path: what `launch` pins."""
    top: Narrowed | None = None
    """How `top` narrowed the audience; None where the campaign has none."""
    begins: str = ""
    """What begins a journey, as the file says it; "" for a campaign with a schedule."""
    planned_for: PlanningTime | None = None
    """The instant that was asked for; None: now."""
    channels: Mapping[str, int] = field(default_factory=dict)
    """Messages by channel."""
    passed_over: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """Messages by channel, the channel that was passed over for it, and the reason code."""
    untracked: Mapping[str, int] = field(default_factory=dict)
    """Messages that would carry neither pixel nor tracked links for want of a consent, by reason code."""

    @property
    def unrenderable(self) -> dict[str, int]:
        """Messages that can't be rendered, by what is wrong."""
        return {p.what: p.messages for p in self.preflight.problems if p.code == "cannot_render"}


def plan(
    workspace: Workspace,
    name: str,
    *,
    samples: int = SAMPLES,
    preflight: Extent = "all",
    links: bool = False,
    progress: Progress = quiet,
    planned_for: PlanningTime | None = None,
) -> Plan:
    """Work out a whole run. Raises `ConfigurationError` where the campaign is invalid or unknown.

    preflight: how many of its messages are rendered to find problems. links: whether to request every linked page.
    planned_for: another instant than now; nothing is written then, not even what a later run would read faster.
    """
    campaign = valid_campaign(workspace.project, name)
    templates = template_files(workspace.project, campaign)
    started, now = monotonic(), workspace.clock.now()
    if planned_for is not None:
        workspace = replace(workspace, clock=ManualClock(planned_for.at))
    warehouse = workspace.warehouse()
    try:
        problems = campaign_problems(workspace.project, name, warehouse.read_seen(), now)
        refuse_problems(name, problems)
        with tempfile.TemporaryDirectory() as folder:
            shown = find_shown_values(renderer_of(workspace.project, templates), campaign)
            frozen, run, members = _freeze(workspace, warehouse, campaign, shown, Path(folder), planned_for)
            top = read_narrowed(frozen.path)
            if planned_for is None:
                run = with_competing_runs(workspace, warehouse, LaunchedCampaigns(workspace.project), run)
            found_costs = measure_costs([campaign.audience.condition], run.data, workspace.project.registry)
            with Rendering(workspace, campaign, templates, preflight, sum(map(len, members))) as rendering:
                planned = _plan_batches(workspace, run, frozen, members, samples, progress, rendering)
            if links:
                planned = replace(planned, preflight=check_links(planned.preflight, progress))
            warnings = _warnings(workspace, warehouse, campaign, planned) if planned_for is None else ()
            return replace(
                planned, rules=found_costs, warnings=warnings, seconds=monotonic() - started, top=top,
                problems=problems, templates=templates, planned_for=planned_for,
            )  # fmt: skip
    finally:
        warehouse.close()


def _warnings(workspace: Workspace, warehouse: Warehouse, campaign: Campaign, planned: Plan) -> list[str]:
    holds = (
        guards.check_freshness(workspace, campaign, warehouse, planned.as_of),
        guards.check_size(workspace, campaign.name, planned.audience),
    )
    held = [f"the run would be held: {hold.what}" for hold in holds if hold is not None]
    return [*held, *describe_old_models(workspace, campaign).values()]


def _freeze(
    workspace: Workspace,
    warehouse: Warehouse,
    campaign: Campaign,
    shown: ShownValues,
    folder: Path,
    planned_for: PlanningTime | None,
) -> tuple[FrozenAudience, RunContext, list[list[str]]]:
    versions = active_versions(workspace)
    now = workspace.clock.now()
    known_until = now if planned_for is not None and planned_for.past else None
    with_decisions = reads_decisions(campaign, workspace.project.registry)
    if planned_for is None:
        refresh_for(workspace, warehouse, campaign, shown)
        if with_decisions:
            refresh_mirror(workspace)
    data = snapshot(
        workspace, warehouse, now, with_decisions=with_decisions, versions=versions, known_until=known_until
    )
    reach = reach_of(workspace, campaign, 0, now)
    path = folder / "audience.parquet"
    members = freeze(
        campaign.audience, offer_conditions(campaign), data, workspace.project.registry, salt=campaign.name, path=path,
        reach=replace(reach, policy=reach.policy.as_known(known_until)),
        but=workspace.project.settings.testing.customers,
    )  # fmt: skip
    run = build_context(
        workspace, campaign, data, send=campaign.first_send, versions=versions, due_at=now, due_local=None, shown=shown
    )
    run = replace(run, eligibility=run.eligibility.as_known(known_until))
    return FrozenAudience(path), with_offer_plan(run, FrozenAudience(path).batches()), members


def with_offer_plan(run: RunContext, batches: Iterator[pl.DataFrame]) -> RunContext:
    """The context with its offer policy's plan for this audience."""
    if run.offer is None:
        return run
    return replace(run, offer=replace(run.offer, plan=plan_offers(run, batches, None)))


def _plan_batches(
    workspace: Workspace,
    run: RunContext,
    frozen: FrozenAudience,
    members: list[list[str]],
    samples: int,
    progress: Progress,
    rendering: Rendering,
) -> Plan:
    now, permission = workspace.clock.now(), run.eligibility.permission
    total = sum(map(len, members))
    counts, tracking = PlanCounts(), tracking_policy(workspace.project)
    history, values = _frozen_beside(run, frozen.path)
    later = [at_step(workspace, run, send) for send in run.campaign.sends.values() if send is not run.send]
    for no in range(len(members)):
        reading, theirs, more = workspace.store.reading, _batch(history, no), _batch(values, no)
        decided = decide(frozen.batch(no), run, reading, now=now, history=theirs, values=more)
        with reading() as connection:
            decided, displaced = recheck_caps(decided, permission, connection, now=now)
            messages = decided.rows.filter(pl.col("outcome") == "message")
            untracked = find_untracked(messages, tracking, connection, known_until=permission.known_until)
        counts.untracked.update(untracked["code"].to_list())
        rendering.take(decided.rows, decided.content)
        counts.add(decided, displaced)
        for further in (decide(frozen.batch(no), one, reading, now=now, history=theirs, values=more) for one in later):
            rendering.take(further.rows, further.content)
        if (left := samples - len(counts.samples)) > 0:
            shown = render_samples(workspace, run, decided, left, now, strict=False, templates=rendering.templates)
            counts.samples += shown
        progress("planning", min((no + 1) * 1_000, total), total)
    entering, leaving = _changed_customers(workspace, run.campaign.name, members)
    return Plan(
        campaign=run.campaign.name,
        as_of=now,
        audience=total,
        outcomes=counts.outcomes,
        variants=counts.variants,
        offers=counts.offers,
        promised_cost=_promised_cost(run, counts.offers),
        samples=counts.samples,
        entering=entering,
        leaving=leaving,
        seconds=0.0,
        preflight=rendering.result(),
        displaced=counts.displaced,
        begins="" if run.campaign.starts_when is None else run.campaign.starts_when.describe(),
        channels=counts.channels,
        passed_over=counts.passed_over,
        untracked=counts.untracked,
    )


def _frozen_beside(run: RunContext, members: Path) -> tuple[BatchFile | None, BatchFile | None]:
    """The members' events, where the campaign recommends; and what its texts show of them, where they show any."""
    history = values = None
    if run.recommendation is not None:
        history = freeze_history(run.data, members, members.with_name("history.parquet"))
    if run.shown:
        values = freeze_shown_values(run.data, run.shown, members, members.with_name("values.parquet"))
    return history, values


def _batch(file: BatchFile | None, no: int) -> pl.DataFrame | None:
    return None if file is None else file.batch(no)


def _promised_cost(run: RunContext, offers: Mapping[str, int]) -> float:
    if run.offer is None:
        return 0.0
    cost: dict[str, float] = dict(run.offer.offers.select("offer", "expected_cost").iter_rows())
    return sum(cost.get(name, 0.0) * n for name, n in offers.items())


def _changed_customers(workspace: Workspace, campaign: str, members: list[list[str]]) -> tuple[int | None, int | None]:
    """How many customers entered and left the audience since the campaign's last run."""
    with workspace.store.reading() as connection:
        last = [r for r in runs.find(connection, campaign=campaign) if r.state is not RunState.CREATED and r.audience]
        if not last:
            return None, None
        before = set(decisions.read_run_decisions(connection, last[0].id)["customer_id"])
    now = {customer for batch in members for customer in batch}
    return len(now - before), len(before - now)
