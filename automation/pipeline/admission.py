"""Who may enter a campaign again: asked once for each entry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy.engine import Connection

from automation.clock import from_millis, in_millis
from automation.store.ledger import decisions
from automation.types.address import normalised
from automation.types.limits import Reentry

REENTRY = "reentry"


@dataclass(frozen=True)
class AdmissionPolicy:
    """How often a campaign takes the same person. known_until: for a plan of an earlier time, what counts."""

    campaign: str
    reentry: Reentry
    known_until: datetime | None = None


def find_re_entered(batch: pl.DataFrame, admission: AdmissionPolicy, connection: Connection) -> list[str]:
    """Customers who got this campaign too recently, also under another id with the same address.

    batch: customer_id, address (null where there is none) and `at`, when each would enter (milliseconds).
    """
    if admission.reentry.kind == "always" or batch.is_empty():
        return []
    after, until = admission.reentry.after, admission.known_until
    since = None if after is None else from_millis(int(str(batch["at"].min()))) - after
    people = batch.select("customer_id", normalised(batch["address"]).fill_null("").alias("recipient"), "at")
    ids, recipients, campaign = people["customer_id"].to_list(), people["recipient"].to_list(), admission.campaign
    entered = decisions.find_entered(connection, ids, campaign, since=since, until=until)
    promised = decisions.find_promised(connection, ids, recipients, campaign, since=since, until=until)
    last = pl.concat([entered, promised]).group_by("person").agg(pl.col("last").max())
    for column in ("customer_id", "recipient"):
        theirs = last.rename({"person": column, "last": f"{column}_last"})
        people = people.join(theirs, on=column, how="left", maintain_order="left")
    latest = pl.max_horizontal("customer_id_last", "recipient_last")
    soonest = pl.col("at") - in_millis(after) if after is not None else latest
    return people.filter(latest >= soonest)["customer_id"].to_list()
