"""What: ranked products for every customer of a batch, from the models that the campaign names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from automation.contracts import Recommender, Snapshot, reason_texts
from automation.contracts.answers import check_recommendations
from automation.event_types import PURCHASE

SHOWN = ("name", "category", "brand", "price", "currency", "url", "image_url")
"""What messages may show of a product."""
_NOBODY = "\x00"
"""An id that no customer can have."""


@dataclass(frozen=True)
class NamedRecommender:
    """A fitted recommender and the name that the campaign calls it by."""

    name: str
    model: Recommender


@dataclass(frozen=True)
class RecommendationContext:
    """What a run may recommend from: `first`, topped up by `otherwise`; `catalogue` has product_id and `SHOWN`."""

    first: NamedRecommender
    otherwise: NamedRecommender | None
    items: int
    at_least: int
    exclude: Sequence[str]
    catalogue: pl.DataFrame
    allowed: pl.Series


def recommendation_context(
    data: Snapshot,
    first: NamedRecommender,
    otherwise: NamedRecommender | None,
    *,
    items: int,
    at_least: int,
    exclude: Sequence[str],
) -> RecommendationContext:
    """Read the catalogue once for the run."""
    columns = [name for name in ("product_id", *SHOWN, "stock") if name in data.products.columns]
    catalogue: pl.DataFrame = data.products.select(columns).to_polars()
    sellable = catalogue.filter(pl.col("stock").is_null() | (pl.col("stock") > 0))
    allowed = (sellable if "out_of_stock" in exclude else catalogue)["product_id"].sort()
    return RecommendationContext(first, otherwise, items, at_least, tuple(exclude), catalogue.drop("stock"), allowed)


def recommend(
    batch: pl.DataFrame, from_: RecommendationContext, history: pl.DataFrame, objectors: Sequence[str] = ()
) -> tuple[pl.DataFrame, str]:
    """The batch with `items` (JSON) and `item_count`; and what its messages show, as JSON (`messages.batch_content`).

    history: customer_id, product_id, type, occurred_at, amount of the batch's customers. objectors: customers who get
    what a person of whom nothing is known would get.
    """
    customers = batch["customer_id"]
    object_ = customers.is_in(list(objectors))
    if object_.all():
        found = _find_for_nobody(customers, from_, history)
    else:
        found = _find(customers.filter(~object_), from_, history)
        if object_.any():
            found = pl.concat([found, _find_for_nobody(customers.filter(object_), from_, history)])
    items = found.group_by("customer_id", maintain_order=True).agg(
        pl.struct("product_id", "score", "reason", "because", "by").alias("items")
    )
    encoded = items.select(
        "customer_id",
        pl.col("items").list.len().alias("item_count"),
        pl.struct("items").struct.json_encode().str.slice(len('{"items":')).str.head(-1).alias("items"),
    )
    joined = batch.join(encoded, on="customer_id", how="left", maintain_order="left")
    filled = joined.with_columns(pl.col("items").fill_null("[]"), pl.col("item_count").fill_null(0))
    return filled, _content(found, from_)


def _find(customers: pl.Series, from_: RecommendationContext, history: pl.DataFrame) -> pl.DataFrame:
    """What the first recommender has for them, filled up from the second."""
    blocked = (
        _purchased(history) if "purchased" in from_.exclude else history.select("customer_id", "product_id").head(0)
    )
    found = _ask(from_.first, customers, history, from_, blocked)
    return found if from_.otherwise is None else _top_up(found, customers, history, from_, blocked)


def _find_for_nobody(customers: pl.Series, from_: RecommendationContext, history: pl.DataFrame) -> pl.DataFrame:
    """What a person of whom nothing is known would get, for each of the customers."""
    theirs = _find(pl.Series("customer_id", [_NOBODY], dtype=pl.String), from_, history.head(0))
    each = customers.to_frame("customer_id").join(theirs.drop("customer_id"), how="cross")
    return each.select(theirs.columns)


def _purchased(history: pl.DataFrame) -> pl.DataFrame:
    return history.filter(pl.col("type") == PURCHASE).select("customer_id", "product_id").unique()


def _ask(
    source: NamedRecommender,
    customers: pl.Series,
    history: pl.DataFrame,
    from_: RecommendationContext,
    blocked: pl.DataFrame,
) -> pl.DataFrame:
    mine = history.join(customers.to_frame("customer_id"), on="customer_id", how="semi")
    answer = source.model.recommend(customers, mine, k=from_.items, allowed=from_.allowed, blocked=blocked)
    check_recommendations(
        answer, f"recommender {source.name}", customers, k=from_.items, allowed=from_.allowed, blocked=blocked
    )
    ranked = answer.sort(["customer_id", "score", "product_id"], descending=[False, True, False])
    return ranked.with_columns(pl.lit(source.name).alias("by"))


def _top_up(
    found: pl.DataFrame,
    customers: pl.Series,
    history: pl.DataFrame,
    from_: RecommendationContext,
    blocked: pl.DataFrame,
) -> pl.DataFrame:
    """Fill what is missing from `otherwise`, behind what the first one found."""
    assert from_.otherwise is not None
    counts = customers.to_frame("customer_id").join(
        found.group_by("customer_id").len(), on="customer_id", how="left"
    )  # fmt: skip
    short = counts.filter(pl.col("len").fill_null(0) < from_.items)["customer_id"]
    if short.is_empty():
        return found
    taken = pl.concat([blocked, found.select("customer_id", "product_id")]).unique()
    more = _ask(from_.otherwise, short, history, from_, taken)
    both = pl.concat([found, more])
    return both.filter(pl.int_range(pl.len()).over("customer_id") < from_.items)


def _content(found: pl.DataFrame, from_: RecommendationContext) -> str:
    """JSON: what is shown of each product, the names of those that reasons refer to, and the reasons' texts."""
    shown = from_.catalogue.join(found.select("product_id").unique(), on="product_id", how="semi")
    referred = found.select(pl.col("because").explode(empty_as_null=False).alias("product_id")).unique()
    named = from_.catalogue.select("product_id", "name").join(referred, on="product_id", how="semi")
    rows = [*named.sort("product_id").iter_rows(named=True), *shown.sort("product_id").iter_rows(named=True)]
    content = {"products": {row.pop("product_id"): row for row in rows}, "reasons": _reasons(found, from_)}
    return json.dumps(content)


def _reasons(found: pl.DataFrame, from_: RecommendationContext) -> dict[str, dict[str, dict[str, str]]]:
    """Recommender → code → language → text, of the codes that were given."""
    texts: dict[str, dict[str, dict[str, str]]] = {}
    sources = {source.name: source.model for source in (from_.otherwise, from_.first) if source is not None}
    for by, code in found.select("by", "reason").unique().sort("by", "reason").iter_rows():
        known = reason_texts(sources[by])
        texts.setdefault(by, {})[code] = {language: codes[code] for language, codes in known.items() if code in codes}
    return texts
