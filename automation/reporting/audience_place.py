"""Where a customer stands in an audience that takes only some: the place in the order of `top`, or a sample's draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from automation.ids import shares
from automation.pipeline.audience import rank_members
from automation.pipeline.top import rank_file
from automation.reporting.reasons import reason_text
from automation.runner.context import reach_of
from automation.types.plural import format_ordinal
from automation.types.quantity import format_percent
from automation.types.run import RunState
from automation.workspace.shop_format import shop_format

if TYPE_CHECKING:
    from datetime import datetime

    from automation.contracts import Snapshot
    from automation.store.runs import RunRow
    from automation.types.campaign import Campaign
    from automation.types.condition import Audience
    from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class Place:
    """A customer's place among everybody for whom the rules hold.

    rank, value: None without a value to be ranked by. ranked: customers with one. taken: how many were taken; cut: the
    value of the last of them. is_taken: whether this customer is one. reason: why the message could not reach them.
    """

    by: str
    rank: int | None
    value: float | None
    ranked: int
    taken: int
    cut: float | None
    is_taken: bool
    reason: str | None


def place_of(places: pl.DataFrame, wanted: Audience, customer_id: str) -> Place:
    """From a frame of `take_top`."""
    own = places.filter(pl.col("customer_id") == customer_id).to_dicts()
    taken = places.filter("taken")
    found: dict[str, Any] = own[0] if own else {"rank": None, "score": None, "taken": False, "reason": None}
    return Place(
        by=str(wanted.by),
        rank=found["rank"],
        value=found["score"],
        ranked=places.height,
        taken=taken.height,
        cut=taken["score"].to_list()[-1] if taken.height else None,
        is_taken=found["taken"],
        reason=found["reason"],
    )


def place_now(
    workspace: Workspace, campaign: Campaign, data: Snapshot, customer_id: str, now: datetime
) -> Place | None:
    """The place if the campaign ran now; None where it takes everybody."""
    if campaign.audience.top is None:
        return None
    reach, but = reach_of(workspace, campaign, 0, now), workspace.project.settings.testing.customers
    places = rank_members(campaign.audience, data, workspace.project.registry, reach=reach, but=but)
    return place_of(places, campaign.audience, customer_id)


def membership(
    workspace: Workspace, campaign: Campaign, customer_id: str, held: bool, place: Place | None
) -> tuple[bool | None, str]:
    """Whether the customer would be in the audience now, and why."""
    if customer_id in workspace.project.settings.testing.customers:
        return False, "a customer for tests (testing.customers in config.yaml), who is in no audience"
    if not held:
        return False, "not in the audience now"
    if place is not None and not place.is_taken:
        return False, "not in the audience now: the rules hold, but only the best are taken"
    if campaign.audience.sample is not None:
        return None, f"the rules hold; {spell_sample(campaign.audience.sample)}"
    return True, "would be in the audience now"


def place_in_run(workspace: Workspace, wanted: Audience, run: RunRow, customer_id: str) -> Place | None:
    """The place as the run recorded it; None where it took everybody or its file is gone."""
    if wanted.top is None:
        return None
    try:
        places = pl.read_parquet(rank_file(workspace.audience_file(run.id)))
    except (OSError, pl.exceptions.PolarsError):
        return None
    return place_of(places, wanted, customer_id)


def spell_place(workspace: Workspace, place: Place, who: str) -> str:
    """`run 3 took 100 of 176 by monetary; this customer was 176th with 3.20, the last one taken had 17.50`."""
    taken = f"{who} {place.taken:,} of {place.ranked:,} by {place.by}"
    if place.rank is None or place.value is None:
        return f"{taken}; this customer has no {place.by} or did not match the rules"
    own = f"{taken}; this customer is {format_ordinal(place.rank)} with {_value(place.value)}"
    if place.reason is not None:
        return f"{own}, but was passed over: {reason_text(workspace, place.reason)}"
    return own if place.cut is None else f"{own}, the last one taken has {_value(place.cut)}"


def spell_last_run(workspace: Workspace, campaign: Campaign, run: RunRow, customer_id: str) -> str:
    """What the campaign's newest run made of a customer about whom it has no decision."""
    which = f"run {run.id} ({shop_format(workspace).due(run)})"
    if run.audience is None:
        return f"{which} is {run.state.value} and has no audience yet"
    if run.state in (RunState.PLANNING, RunState.HELD) and _is_member(workspace, run, customer_id):
        return f"in the audience of {which}, which is {run.state.value} and has not decided yet"
    wanted = campaign.audience
    place = place_in_run(workspace, wanted, run, customer_id)
    if place is not None:
        return spell_place(workspace, place, f"{which} took")
    if wanted.sample is not None and not _is_drawn(campaign, run, customer_id, wanted.sample):
        return f"{which} took a sample of {_percent(wanted.sample)}, and this customer was not drawn"
    return f"not in the audience of {which}"


def spell_sample(share: float) -> str:
    return f"each run draws {_percent(share)} of the customers for whom the rules hold"


def _is_member(workspace: Workspace, run: RunRow, customer_id: str) -> bool:
    try:
        rows = pl.scan_parquet(workspace.audience_file(run.id)).filter(pl.col("customer_id") == customer_id).collect()
    except (OSError, pl.exceptions.PolarsError):
        return False
    return rows.height > 0


def _is_drawn(campaign: Campaign, run: RunRow, customer_id: str, share: float) -> bool:
    return bool(shares(f"{campaign.name}:{run.id}", pl.Series([customer_id]))[0] < share)


def _percent(share: float) -> str:
    from decimal import Decimal

    return format_percent(Decimal(str(share)))


def _value(value: float) -> str:
    return f"{value:,.2f}"
