"""Sample messages: what a decision would send, rendered for people to look at, outside the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl

from automation.clock import from_millis
from automation.messages.compose import MessageDefaults
from automation.messages.template.files import Templates
from automation.store.ledger.coupons import coupon_code
from automation.types.campaign import Campaign
from automation.types.grant import Grant
from automation.workspace.message_defaults import message_defaults_of
from automation.workspace.workspace import Workspace

SAMPLE_ID = "0" * 32
"""An id that no message has, so that its links change no customer's preferences."""
COLUMNS = (
    "customer_id",
    "step",
    "visit",
    "channel",
    "address",
    "template",
    "context",
    "variant",
    "offer",
    "items",
    "coupon",
    "due_at",
    "expires_at",
)


def sample_message(campaign: Campaign, row: Mapping[str, Any], now: datetime) -> Grant:
    """A grant that is not in the ledger, with an invalid coupon code. row: `COLUMNS`."""
    return Grant(
        id=SAMPLE_ID,
        attempt=1,
        run_id=0,
        batch_no=0,
        campaign=campaign.name,
        launch_id=0,
        customer_id=row["customer_id"],
        step=row["step"],
        visit=row["visit"],
        channel=row["channel"],
        topic=campaign.topic,
        address=row["address"],
        template=row["template"],
        context=row["context"],
        variant=row["variant"],
        offer=row["offer"],
        items=row["items"],
        coupon=None if row["coupon"] is None else coupon_code(b"sample", row["coupon"], SAMPLE_ID),
        due_at=from_millis(row["due_at"]),
        granted_at=now,
    )


def expand_versions(
    row: pl.DataFrame, campaign: Campaign, templates: Templates, otherwise: str
) -> Iterator[pl.DataFrame]:
    """One decision's row in every variant of the campaign and every language of its template."""
    context = json.loads(row["context"].item())
    send = campaign.sends[row["step"].item()]
    for name in campaign.experiment.variants or (None,):
        template = campaign.template_of(send, name)
        for language in templates.languages(template) or [otherwise]:
            yield row.with_columns(
                pl.lit(name, dtype=pl.String).alias("variant"),
                pl.lit(template).alias("template"),
                pl.lit(json.dumps({**context, "language": language})).alias("context"),
            )


def untracked_defaults(workspace: Workspace) -> MessageDefaults:
    """The project's message defaults without tracking, since the message is not in the ledger."""
    return replace(message_defaults_of(workspace.project, workspace.store.secret), track=False)
