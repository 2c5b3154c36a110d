"""Who of a batch gets a message: permission for the send and, where an entry begins with it, admission."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.pipeline.admission import REENTRY, AdmissionPolicy, find_re_entered
from automation.pipeline.permission import PermissionPolicy, apply_caps, ask_suppressions, choose_channel, refuse
from automation.types.address import ADDRESS_COLUMN


@dataclass(frozen=True)
class EligibilityPolicy:
    """admission: None for a later send of an entry, which was admitted when it began."""

    permission: PermissionPolicy
    admission: AdmissionPolicy | None

    def as_known(self, until: datetime | None) -> EligibilityPolicy:
        """The policy for a plan of an earlier time: only what was known until then counts."""
        admission = None if self.admission is None else replace(self.admission, known_until=until)
        return EligibilityPolicy(replace(self.permission, known_until=until), admission)


def judge_eligibility(
    batch: pl.DataFrame, eligibility: EligibilityPolicy, connection: Connection, *, now: datetime
) -> pl.DataFrame:
    """The batch with `channel`, `address`, `outcome`, `reason`, `detail`, `passed_over`, `not_before` and `deferred`.

    outcome and reason are null where the customer is eligible; not_before (milliseconds) and deferred (a reason) where
    a cap lets the message leave only later.
    """
    permission = eligibility.permission
    judged = choose_channel(batch, permission, connection, now=now)
    if eligibility.admission is not None:
        asking = judged.select("customer_id", "address", pl.lit(to_millis(now)).alias("at"))
        judged = refuse(judged, find_re_entered(asking, eligibility.admission, connection), REENTRY)
    judged = apply_caps(judged, permission, connection, now, early=True)[0]
    return ask_suppressions(judged, permission, now)


def accept_everyone(batch: pl.DataFrame, eligibility: EligibilityPolicy) -> pl.DataFrame:
    """The columns of `judge_eligibility` as if nothing refused anybody, for previews.

    The channel is the first with an address, or the first of all with an empty one.
    """
    columns = {name: ADDRESS_COLUMN[kind] for name, kind in eligibility.permission.channels.items()}
    known = {name: pl.col(column) for name, column in columns.items() if column in batch.columns}
    channel = pl.coalesce(
        *(pl.when(address.is_not_null()).then(pl.lit(name)) for name, address in known.items()),
        pl.lit(next(iter(columns))),
    )
    nothing = {"outcome": pl.String, "reason": pl.String, "not_before": pl.Int64, "deferred": pl.String}
    return batch.with_columns(
        channel.alias("channel"),
        pl.coalesce(*(address.str.strip_chars() for address in known.values()), pl.lit("")).alias("address"),
        pl.lit("").alias("detail"),
        pl.lit("{}").alias("passed_over"),
        *(pl.lit(None, dtype=kind).alias(name) for name, kind in nothing.items()),
    )
