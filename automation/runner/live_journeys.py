"""The journeys that people are in: every launched one, and earlier launches with people still inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.errors import ConfigurationError
from automation.pipeline.hearing import Listener
from automation.store import launches, pauses, runs
from automation.store.runs import RunRow
from automation.types.journey import compile_program
from automation.workspace.launched import LaunchedCampaign, LaunchedCampaigns

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LiveJourney:
    """A standing run with what was launched. paused: no step is taken and nobody begins; events are heard."""

    run: RunRow
    launch: LaunchedCampaign
    listener: Listener
    paused: bool

    @property
    def name(self) -> str:
        return self.run.campaign


def find_live_journeys(connection: Connection, pinned: LaunchedCampaigns) -> list[LiveJourney]:
    """The oldest launch first. One that no longer fits config.yaml is logged and left out: its people wait."""
    current = {launch.id for launch in launches.current_launches(connection).values()}
    paused = pauses.paused_scopes(connection)
    found = []
    for run in runs.find_live(connection):
        try:
            launch = pinned.get(connection, run.launch_id)
        except ConfigurationError as error:
            log.error("journey can't go on", campaign=run.campaign, run=run.id, because=str(error))
            continue
        stopped = paused.everything or run.campaign in paused.scopes
        first = runs.first_standing(connection, run.campaign) or run.due_at
        program = compile_program(launch.campaign)
        starts = run.launch_id in current and not stopped
        listener = Listener(run.id, launch.campaign, program, launched_at=to_millis(first), starts=starts)
        found.append(LiveJourney(run, launch, listener, stopped))
    return found


def event_types(journeys: Sequence[LiveJourney]) -> frozenset[str]:
    """Every type of event that any of them listens to."""
    return frozenset().union(*(one.listener.program.listens for one in journeys))
