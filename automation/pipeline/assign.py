"""Assigns holdout and variant: stable draws by customer, with the whole distribution recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

import numpy as np
import polars as pl

from automation.ids import shares

GLOBAL_HOLDOUT = "global_holdout"
HOLDOUT = "holdout"


def assign(
    batch: pl.DataFrame,
    *,
    campaign: str,
    holdout: Decimal | None,
    global_holdout: Decimal | None,
    variants: Mapping[str, Decimal],
) -> pl.DataFrame:
    """The batch with `arm` (global_holdout, holdout or contacted), `variant` and `propensities` (JSON).

    Draws hash (experiment salt, customer id), so a customer keeps arm and variant from run to run. A holdout has the
    variant it would have got. Variant shares are of the contacted.
    """
    ids = batch["customer_id"]
    held_globally = shares("global-holdout", ids) < float(global_holdout or 0)
    held = shares(f"{campaign}:holdout", ids) < float(holdout or 0)
    arm = np.where(held_globally, GLOBAL_HOLDOUT, np.where(held, HOLDOUT, "contacted"))
    return batch.with_columns(
        pl.Series("arm", arm, dtype=pl.String),
        _variant(ids, campaign, variants).alias("variant"),
        pl.lit(json.dumps(distribution(holdout, global_holdout, variants))).alias("propensities"),
    )


def _variant(ids: pl.Series, campaign: str, variants: Mapping[str, Decimal]) -> pl.Series:
    if not variants:
        return pl.Series(values=[None] * len(ids), dtype=pl.String)
    edges = np.cumsum([float(share) for share in variants.values()])
    place = np.searchsorted(edges[:-1], shares(f"{campaign}:variant", ids), side="right")
    return pl.Series(values=np.array(list(variants))[place], dtype=pl.String)


def distribution(
    holdout: Decimal | None, global_holdout: Decimal | None, variants: Mapping[str, Decimal]
) -> dict[str, float]:
    """The probability of every arm; they sum to 1."""
    outside = 1 - (global_holdout or Decimal(0))
    contacted = outside * (1 - (holdout or Decimal(0)))
    arms = {GLOBAL_HOLDOUT: global_holdout or Decimal(0), HOLDOUT: outside * (holdout or Decimal(0))}
    arms |= {name: contacted * share for name, share in variants.items()} or {"contacted": contacted}
    return {name: float(share) for name, share in arms.items() if share}
