"""Which of a campaign's channels were passed over for a customer, and why."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def passed_over(every: pl.DataFrame, chosen: pl.DataFrame, channels: Sequence[str]) -> pl.DataFrame:
    """customer_id and `passed_over` (JSON: channel → reason code), for those who have any.

    every: customer_id, candidate (a channel), reason (null where it can be used). chosen: customer_id, channel (null
    where none can be used: then all of them were passed over). channels: in order of preference.
    """
    place = {channel: number for number, channel in enumerate(channels)}
    theirs = pl.col("channel").replace_strict(place, default=None, return_dtype=pl.Int32)
    taken = chosen.select("customer_id", theirs.fill_null(len(place)).alias("taken"))
    its = pl.col("candidate").replace_strict(place, return_dtype=pl.Int32)
    positions = every.with_columns(its.alias("place")).join(taken, on="customer_id", how="left", maintain_order="left")
    before = positions.filter(pl.col("reason").is_not_null() & (pl.col("place") < pl.col("taken"))).sort("place")
    # names of channels and reason codes are identifiers, which JSON writes as they are
    told = pl.concat_str(pl.lit('"'), "candidate", pl.lit('": "'), "reason", pl.lit('"'))
    return before.group_by("customer_id", maintain_order=True).agg(
        pl.concat_str(pl.lit("{"), told.str.join(", "), pl.lit("}")).first().alias("passed_over")
    )


def count_passed_over(rows: pl.DataFrame) -> dict[tuple[str, str, str], int]:
    """Customers of a batch who get a message, by channel, the channel passed over and its reason.

    rows: outcome, channel, passed_over.
    """
    some = rows.filter(pl.col("outcome") == "message", pl.col("passed_over") != "{}")
    pairs = some.select("channel", pl.col("passed_over").str.extract_all(r'"[^"]+": "[^"]+"').alias("pair"))
    parts = pairs.explode("pair").select(
        "channel",
        pl.col("pair").str.extract(r'^"([^"]+)"').alias("earlier"),
        pl.col("pair").str.extract(r': "([^"]+)"$').alias("reason"),
    )
    counts = parts.group_by("channel", "earlier", "reason").len()
    return {(channel, earlier, reason): n for channel, earlier, reason, n in counts.iter_rows()}
