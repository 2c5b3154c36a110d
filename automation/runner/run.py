"""A run from its due time to its last receipt; each stage can be repeated after a crash without duplicates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog

from automation.errors import AutomationError
from automation.inbound.flush import flush_events
from automation.pipeline.audience import freeze
from automation.pipeline.decide import decide, recheck_caps
from automation.rules.reads import offer_conditions, reads_decisions
from automation.runner import guards, held_runs
from automation.runner.competing_runs import with_competing_runs
from automation.runner.context import context_of_run, plan_offers, reach_of
from automation.runner.frozen_run import FrozenRun, open_frozen_run
from automation.schedule.calendar import local_time
from automation.store import holds, runs
from automation.store.ledger import cap_slots, ledger
from automation.store.runs import RunRow
from automation.types.progress import Progress, quiet
from automation.types.run import RunState
from automation.warehouse.batch_file import DamagedFile
from automation.warehouse.embedded import Warehouse
from automation.workspace.decision_mirror import refresh_mirror
from automation.workspace.launched import LaunchedCampaign, LaunchedCampaigns
from automation.workspace.models_in_use import active_versions
from automation.workspace.profiles import refresh_for
from automation.workspace.snapshots import snapshot
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)


def advance(
    workspace: Workspace,
    pinned: LaunchedCampaigns,
    run_id: int,
    *,
    progress: Progress = quiet,
    halted: Callable[[], bool] = lambda: False,
) -> bool:
    """Freeze the audience if it isn't, then plan every batch that isn't planned; returns whether all of them are.

    A held run is not planned. halted: asked between two batches whether to leave the rest for another time. An
    `AutomationError` ends the run, since a retry would fail too; any other error is kept with the run and retried. A
    damaged file of the run is removed, and made again.
    """
    try:
        return _advance(workspace, pinned, run_id, progress, halted)
    except DamagedFile as damaged:
        log.warning("a file of the run is made again", run=run_id, because=str(damaged))
        damaged.path.unlink(missing_ok=True)
    return _advance(workspace, pinned, run_id, progress, halted)


def _advance(
    workspace: Workspace,
    pinned: LaunchedCampaigns,
    run_id: int,
    progress: Progress,
    halted: Callable[[], bool],
) -> bool:
    with workspace.store.reading() as connection:
        run = runs.get(connection, run_id)
    state = run.state
    warehouse = workspace.warehouse()
    try:
        with workspace.store.reading() as connection:
            launch = pinned.get(connection, run.launch_id)
        if state is RunState.HELD and _is_too_late(workspace, run, launch):
            return True
        if state is RunState.HELD and held_runs.is_held_since_restore(run):
            return False
        if state in (RunState.CREATED, RunState.HELD) and run.audience is None:
            state = _freeze(workspace, warehouse, run, launch)
        elif state is RunState.PLANNING or held_runs.is_held_for_damage(run):
            state = _look_at_warehouse(workspace, run)
        if state is RunState.HELD:
            return False
        if state is not RunState.PLANNING:
            return True
        frozen = _context(workspace, warehouse, run_id, launch)
        found = with_competing_runs(workspace, warehouse, pinned, frozen.found)
        return _plan_batches(workspace, replace(frozen, found=found), progress, halted)
    except Exception as error:
        if (damaged := guards.check_warehouse(workspace)) is not None:
            log.warning("planning stopped at a damaged warehouse", run=run_id, because=str(error))
            _hold(workspace, run, damaged)
            return False
        over = isinstance(error, AutomationError)
        with workspace.store.transaction() as connection:
            now = workspace.clock.now() if over else None
            runs.set_state(connection, run_id, RunState.FAILED if over else state, now=now, error=str(error))
        raise
    finally:
        warehouse.close()


def _is_too_late(workspace: Workspace, run: RunRow, launch: LaunchedCampaign) -> bool:
    """Whether the held run is too late, which ends it."""
    limit, now = guards.max_lateness(launch.campaign), workspace.clock.now()
    if now - run.due_at <= limit:
        return False
    with workspace.store.transaction() as connection:
        why = f"held until it was too late: {(run.hold or {}).get('what')}"
        runs.set_state(connection, run.id, RunState.EXPIRED, now=now, error=why)
    return True


def _freeze(workspace: Workspace, warehouse: Warehouse, run: RunRow, launch: LaunchedCampaign) -> RunState:
    """Freeze the audience, unless a guard holds the run before or after; returns the run's state."""
    damaged = guards.check_warehouse(workspace)
    if damaged is not None:
        return _hold(workspace, run, damaged)
    flush_events(workspace, warehouse)
    campaign, as_of = launch.campaign, workspace.clock.now()
    local = local_time(run, campaign)
    if not guards.is_released(run, held_runs.STALE):
        hold = guards.check_freshness(workspace, campaign, warehouse, as_of)
        if hold is not None:
            return _hold(workspace, run, hold)
    refresh_for(workspace, warehouse, campaign, launch.shown)
    versions = active_versions(workspace)
    with_decisions = reads_decisions(campaign, workspace.project.registry)
    if with_decisions:
        refresh_mirror(workspace)
    data = snapshot(workspace, warehouse, as_of, with_decisions=with_decisions, versions=versions, today=local)
    batches = freeze(
        campaign.audience,
        offer_conditions(campaign),
        data,
        workspace.project.registry,
        salt=f"{campaign.name}:{run.id}",
        path=workspace.audience_file(run.id),
        reach=reach_of(workspace, campaign, run.id, as_of),
        but=workspace.project.settings.testing.customers,
    )
    hold = guards.check_audience(workspace, run, campaign, batches)
    kept: dict[str, Any] = {"warehouse": data.version, "models": versions, "local": local and local.isoformat()}
    with workspace.store.transaction() as connection:
        holds.end_hold(connection, run)
        test = workspace.project.settings.testing.redirect_all is not None
        runs.freeze(connection, run.id, batches, as_of=as_of, versions=kept, test=test)
        if hold is not None:
            holds.hold(connection, run.id, guard=hold.guard, what=hold.what, now=workspace.clock.now())
    audience = sum(map(len, batches))
    workspace.project.registry.observe("run_started", campaign=campaign.name, run_id=str(run.id), audience=audience)
    return RunState.PLANNING if hold is None else RunState.HELD


def _look_at_warehouse(workspace: Workspace, run: RunRow) -> RunState:
    """Hold a frozen run while the warehouse can't be read; returns the run's state."""
    damaged = guards.check_warehouse(workspace)
    if damaged is not None:
        return _hold(workspace, run, damaged)
    if run.hold is not None:
        with workspace.store.transaction() as connection:
            holds.end_hold(connection, run)
    return RunState.PLANNING


def _hold(workspace: Workspace, run: RunRow, hold: guards.Hold) -> RunState:
    with workspace.store.transaction() as connection:
        holds.hold(connection, run.id, guard=hold.guard, what=hold.what, now=workspace.clock.now())
    return RunState.HELD


def _context(workspace: Workspace, warehouse: Warehouse, run_id: int, launch: LaunchedCampaign) -> FrozenRun:
    """What the run decides with; its offer policy plans once, and the plan is kept."""
    with workspace.store.reading() as connection:
        run = runs.get(connection, run_id)
    found = context_of_run(workspace, warehouse, run, launch)
    frozen = open_frozen_run(workspace, run, found)
    if found.offer is None or run.offer_plan:
        return frozen
    plan = plan_offers(found, frozen.audience.batches(), None)
    with workspace.store.transaction() as connection:
        runs.set_offer_plan(connection, run_id, plan)
    return replace(frozen, found=replace(found, offer=replace(found.offer, plan=plan)))


def _plan_batches(workspace: Workspace, frozen: FrozenRun, progress: Progress, halted: Callable[[], bool]) -> bool:
    run_id = frozen.run.id
    with workspace.store.transaction() as connection:
        run = runs.get(connection, run_id)
        epoch = runs.take_batches(connection, run_id)
        waiting = runs.unplanned_batches(connection, run_id)
    total = run.audience or 0
    for no in waiting:
        if halted():
            return False
        _plan_batch(workspace, frozen, no, epoch)
        progress("planning", min((no + 1) * 1_000, total), total)
    frozen.forget_history()
    with workspace.store.transaction() as connection:
        runs.set_state(connection, run_id, RunState.SENDING)
    return True


def _plan_batch(workspace: Workspace, frozen: FrozenRun, no: int, epoch: int) -> None:
    """Decide and plan one batch. epoch: under which this planner took it."""
    found, run_id, now = frozen.found, frozen.run.id, workspace.clock.now()
    members, history, values = frozen.members(no), frozen.history(no), frozen.values(no)
    decided = decide(members, found, workspace.store.reading, now=now, history=history, values=values)
    with workspace.store.transaction() as connection:
        decided, displaced = recheck_caps(decided, found.eligibility.permission, connection, now=now)
        if not found.test:
            cap_slots.yield_cap_slots(connection, displaced, now=now)
        ledger.plan(
            connection,
            run_id=run_id,
            batch_no=no,
            epoch=epoch,
            campaign=found.campaign.name,
            topic=found.campaign.topic,
            rows=decided.rows,
            content=decided.content,
            secret=workspace.store.id_secret,
            now=now,
            counts=not found.test,
        )
    shown = decided.rows.select("customer_id", "outcome", "reason", "variant", "offer")
    workspace.project.registry.observe(
        "decisions_made", campaign=found.campaign.name, run_id=str(run_id), decisions=shown
    )
