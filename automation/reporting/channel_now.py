"""By which channel a campaign's message would reach a customer now, and which channels are passed over for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from automation.pipeline.permission import choose_channel
from automation.runner.context import reach_of
from automation.types.decision import CANNOT_REACH

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from automation.contracts import Snapshot
    from automation.types.campaign import Campaign
    from automation.workspace.workspace import Workspace


def explain_channel_now(
    workspace: Workspace, campaign: Campaign, data: Snapshot, customer_id: str, now: datetime
) -> list[str]:
    """A sentence where a channel can't reach the customer: which one takes the message, or that none can."""
    permission = reach_of(workspace, campaign, 0, now).policy.permission
    customer = data.customers.filter(data.customers.customer_id == customer_id).to_polars()
    with workspace.store.reading() as connection:
        row = choose_channel(customer, permission, connection, now=now).row(0, named=True)
    passed_over: dict[str, str] = json.loads(row["passed_over"])
    if not passed_over and row["reason"] in CANNOT_REACH:
        passed_over = dict.fromkeys(permission.channels, row["reason"])  # there is one channel
    return [spell_channel(row["channel"], passed_over)] if passed_over else []


def spell_channel(channel: str | None, passed_over: Mapping[str, str]) -> str:
    """`would be sent by sms, since email can't reach the customer: no address`."""
    if channel is None:
        told = "; ".join(f"{name}: {CANNOT_REACH.get(code, code)}" for name, code in passed_over.items())
        return f"no channel could reach the customer ({told})"
    told = ", and ".join(
        f"{name} can't reach the customer: {CANNOT_REACH.get(code, code)}" for name, code in passed_over.items()
    )
    return f"would be sent by {channel}, since {told}"
