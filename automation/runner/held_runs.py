"""Runs that a guard holds: by which, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automation.types.run import HELD_SINCE_RESTORE

if TYPE_CHECKING:
    from automation.store.runs import RunRow

DAMAGED, STALE = "damaged_warehouse", "stale_data"
"""Guards whose runs continue by themselves."""


def is_held_since_restore(run: RunRow) -> bool:
    """Whether the run waits for a person since its store was restored: the store that went on may have sent it."""
    return (run.hold or {}).get("guard") == HELD_SINCE_RESTORE


def is_held_for_damage(run: RunRow) -> bool:
    """Whether the run waits for a warehouse that can be read."""
    return (run.hold or {}).get("guard") == DAMAGED


_BY_ITSELF = {
    STALE: "; it continues by itself once newer data arrives",
    DAMAGED: "; it continues by itself once the warehouse can be read",
}


def describe_hold(run: RunRow) -> str:
    """One sentence about a held run."""
    hold = run.hold or {}
    alone = _BY_ITSELF.get(str(hold.get("guard")), "")
    maybe_sent = is_held_since_restore(run) or (is_held_for_damage(run) and run.audience is not None)
    known = "" if maybe_sent else ", nobody was contacted"
    return f"run {run.id} of {run.campaign} is HELD{known}: {hold.get('what')}{alone}"
