"""A round: hears what happened, then takes whoever is due a step further. The only place where entries move."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field

import structlog

from automation.runner.listening import listen
from automation.runner.live_journeys import LiveJourney, find_live_journeys
from automation.runner.stepping import Stepper
from automation.runner.travellers import Travellers
from automation.store import entries, launches, runs
from automation.types.run import RunState
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)


@dataclass
class Round:
    """stepped: entries that were due. passed_over: events that began nothing, by campaign and reason. failed: journeys
    that could not go on."""

    stepped: int = 0
    passed_over: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: int = 0


def advance_journeys(workspace: Workspace, pinned: LaunchedCampaigns) -> Round:
    """Do everything that is due now in every journey."""
    done = Round()
    with workspace.store.reading() as connection:
        journeys = find_live_journeys(connection, pinned)
    if not journeys:
        return done
    now = workspace.clock.now()
    with ExitStack() as stack:
        travellers = Travellers(workspace, stack, now)
        done.passed_over = listen(workspace, journeys, travellers)
        for journey in journeys:
            if not journey.paused:
                _step(workspace, journey, travellers, done)
    _close(workspace, journeys)
    return done


def _step(workspace: Workspace, journey: LiveJourney, travellers: Travellers, done: Round) -> None:
    """One journey that fails does not hold the others up."""
    stepper = Stepper(workspace, journey, travellers, workspace.clock.now())
    try:
        done.stepped += stepper.step()
    except Exception:
        done.failed += 1
        log.exception("journey can't go on", campaign=journey.name, run=journey.run.id)


def _close(workspace: Workspace, journeys: list[LiveJourney]) -> None:
    """Close the runs of earlier launches in which nobody is any more."""
    with workspace.store.transaction() as connection:
        current = {launch.id for launch in launches.current_launches(connection).values()}
        for journey in journeys:
            over = journey.run.launch_id not in current and entries.count_open(connection, journey.run.id) == 0
            if over:
                runs.set_state(connection, journey.run.id, RunState.DONE, now=workspace.clock.now())
