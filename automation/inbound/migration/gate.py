"""No real sending before the previous tool's suppressions were imported, or somebody confirmed that there are none."""

from __future__ import annotations

from collections.abc import Sequence

from automation.contracts import is_live
from automation.errors import AutomationError, ConfigurationError
from automation.store.people import migration
from automation.types.campaign import Campaign
from automation.workspace.opened import Opened
from automation.workspace.workspace import Workspace


def require_migration(workspace: Workspace, channels: Sequence[str]) -> None:
    """Raises `AutomationError`, with both ways out, where one of the channels really sends and nothing was migrated.

    A channel that only writes files says so by `live = False`.
    """
    live = [name for name in channels if _is_live(workspace, name)]
    if not live:
        return
    with workspace.store.reading() as connection:
        if migration.is_migrated(connection):
            return
    raise AutomationError(
        f"channel {live[0]!r} really sends, and no suppression list was imported yet: people who unsubscribed "
        f"elsewhere would get messages again.\n"
        f"  to import it: automation import suppressions FILE --mapping klaviyo|braze|FILE\n"
        f"  if there is none: automation migrate --nothing-to-import --by NAME --because TEXT"
    )


def channels_of(campaign: Campaign) -> tuple[str, ...]:
    """Every channel that the campaign sends by."""
    return tuple(dict.fromkeys(name for send in campaign.sends.values() for name in send.channels))


def _is_live(workspace: Workspace, channel: str) -> bool:
    using = workspace.project.settings.channels.get(channel)
    if using is None:
        return False
    return is_live(workspace.project.registry.find("channels", using.name))


def confirm_nothing_to_import(opened: Opened, *, by: str, because: str) -> None:
    """Record that there is nothing to import. Raises `ConfigurationError` without a name or a reason."""
    for name, value in (("--by", by), ("--because", because)):
        if not value.strip():
            raise ConfigurationError(f"--nothing-to-import needs {name}: who confirms it and why is kept on record")
    with opened.store.transaction() as connection:
        migration.record(connection, "nothing", by=by.strip(), now=opened.clock.now(), detail=because.strip())
