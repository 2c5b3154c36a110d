"""Makes a run exist, once for each due time."""

from __future__ import annotations

from automation.errors import AutomationError, Stopped
from automation.inbound.migration.gate import channels_of, require_migration
from automation.runner.changed_plugins import refuse_changed
from automation.schedule.due_times import Due
from automation.store import holds, launches, pauses, runs
from automation.store.runs import RunRow
from automation.workspace.workspace import Workspace


def claim(workspace: Workspace, campaign: str, due: Due, *, released_by: str | None = None) -> RunRow | None:
    """Make the run exist, once; None when it existed already. released_by: who lets it pass every guard.

    Raises `AutomationError` where the campaign was never launched or really sends before the migration, and `Stopped`.
    """
    file = workspace.project.campaigns.get(campaign)
    if file is not None and file.campaign is not None:
        if file.campaign.starts_when is not None:
            begins = file.campaign.starts_when.describe()
            raise AutomationError(f"{campaign!r} is a journey: a customer enters when {begins}")
        require_migration(workspace, channels_of(file.campaign))
    refuse_changed(workspace, campaign)
    with workspace.store.transaction() as connection:
        launched = launches.current_launches(connection).get(campaign)
        if launched is None:
            raise AutomationError(f"campaign {campaign!r} is not launched; run: automation launch {campaign}")
        for pause in pauses.current_pauses(connection):
            if pause.scope in (*pauses.GLOBAL_SCOPES, campaign):
                raise Stopped(str(pause))
        made = runs.claim(
            connection,
            campaign=campaign,
            kind=due.kind,
            due_key=due.key,
            due_at=due.at,
            launch_id=launched.id,
            now=workspace.clock.now(),
        )
        if made is not None and released_by is not None:
            holds.release_in_advance(connection, made.id, by=released_by)
    return made
