"""Who may enter a journey: asked once, when an entry begins."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from automation.clock import to_millis
from automation.pipeline.admission import REENTRY, AdmissionPolicy, find_re_entered
from automation.pipeline.walk import pass_on
from automation.runner.live_journeys import LiveJourney
from automation.runner.travellers import Travellers
from automation.store import entries
from automation.types.address import ADDRESS_COLUMN
from automation.types.condition import Group
from automation.types.entry import Ending
from automation.workspace.workspace import Workspace

_EVERYONE = Group("all", ())


def admit(
    workspace: Workspace, journey: LiveJourney, travellers: Travellers, begun: pl.DataFrame, *, now: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Those who may enter, at the first step, and the others, ended with the reason."""
    wanted, people = journey.launch.campaign.audience.condition, begun["customer_id"].to_list()
    reasons: dict[str, str] = {}
    if people and wanted != _EVERYONE:
        members = set(travellers.holding(wanted, people))
        reasons = {one: Ending.NOT_IN_AUDIENCE.value for one in people if one not in members}
    if people:
        reasons = dict.fromkeys(_re_entered(workspace, journey, travellers, begun), REENTRY) | reasons
    why = pl.col("customer_id").replace_strict(reasons, default=None, return_dtype=pl.String)
    told = begun.with_columns(why.alias("ended"), pl.lit(to_millis(now)).alias("ended_at"))
    admitted = told.filter(pl.col("ended").is_null()).select(begun.columns)
    first = journey.listener.program.first
    return pass_on(admitted, to=pl.lit(first), at=pl.col("entered_at")), told.filter(pl.col("ended").is_not_null())


def _re_entered(workspace: Workspace, journey: LiveJourney, travellers: Travellers, begun: pl.DataFrame) -> list[str]:
    """Those who were in the campaign too recently, under any id, or with the same order or cart before."""
    campaign = journey.launch.campaign
    with workspace.store.reading() as connection:
        found = entries.find_again(connection, campaign.name, begun)
    if campaign.reentry.kind == "always":
        return found
    people = travellers.people(begun["customer_id"].to_list())
    addresses = [name for name in dict.fromkeys(ADDRESS_COLUMN.values()) if name in people.columns]
    asking = begun.select("customer_id", pl.col("entered_at").alias("at")).join(people, on="customer_id")
    policy = AdmissionPolicy(campaign.name, campaign.reentry)
    with workspace.store.reading() as connection:
        for column in addresses:
            asked = asking.select("customer_id", "at", pl.col(column).cast(pl.String).alias("address"))
            found += find_re_entered(asked, policy, connection)
    return found
