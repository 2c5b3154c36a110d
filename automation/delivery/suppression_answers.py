"""Asks the suppression plugins about messages that are about to be sent, outside any transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
import structlog

from automation.contracts import Suppression
from automation.contracts.answers import ask_suppression
from automation.types.grant import Grant

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SuppressionAnswers:
    """What the plugins said of the messages that they were asked about. `codes`: message id → reason code."""

    asked: frozenset[str]
    codes: Mapping[str, str] = field(default_factory=dict)
    failed: bool = False
    """A plugin raised an error or broke its contract: nothing that was asked about may be sent now."""


def ask_suppressions(
    suppressions: Sequence[Suppression], grants: Sequence[Grant], *, at: datetime
) -> SuppressionAnswers:
    """One call of each plugin for all messages. The first plugin that refuses a customer gives the code."""
    asked = frozenset(grant.id for grant in grants)
    if not grants:
        return SuppressionAnswers(asked)
    try:
        codes = _refused_customers(suppressions, grants, at)
    except Exception:
        log.exception("suppression plugins failed; their messages are tried again in a minute", messages=len(grants))
        return SuppressionAnswers(asked, failed=True)
    return SuppressionAnswers(asked, {g.id: codes[g.customer_id] for g in grants if g.customer_id in codes})


def _refused_customers(suppressions: Sequence[Suppression], grants: Sequence[Grant], at: datetime) -> dict[str, str]:
    people = pl.DataFrame([json.loads(grant.context)["customer"] for grant in grants], infer_schema_length=None)
    batch = people.with_columns(
        pl.Series(name, [getattr(grant, name) for grant in grants], dtype=pl.String)
        for name in ("customer_id", "channel", "address", "topic", "campaign")
    )
    return {
        customer: code
        for suppression in reversed(suppressions)
        for customer, code in ask_suppression(batch, suppression, at=at, moment="send")
        .select("customer_id", "code")
        .rows()
    }
