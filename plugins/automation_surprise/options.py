"""What a shop can say about `surprise_knn`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import ByteSize, Field, FiniteFloat, model_validator

from automation.contracts import Options
from automation.types.quantity import Duration

Similarity = Literal["cosine", "msd", "pearson", "pearson_baseline", "co_occurrence"]


class SurpriseKnnOptions(Options):
    """Options of `surprise_knn`.

    algorithm, similarity, shrinkage, min_support, neighbours (Surprise's k) and min_neighbours (its min_k) are
    Surprise's own, see its manual. `co_occurrence` is ours: n_xy / sqrt(n_x n_y), which looks at who has what and not
    at any rating; it is also what is used when the ratings carry no signal.

    rank_by: `similarity` ranks a product by the sum of its positive similarities with the customer's products, over the
    product's own nearest `neighbours`; `rating` ranks by the predicted rating, which floats what one enthusiast rated.

    ratings: `explicit` takes rating events only. `events` adds up `weights` over a customer's events with a product:
    rating = low + log2(points), to the nearest half, within `scale`, so that each doubling is one step more: with the
    defaults one purchase is 3.5, two are 4.5, three and more 5, a view 1, a cart 2.5. Where the customer also rated
    the product, that rating counts instead. A weight below 0 (a return) takes points away; a product without points
    is left out. The latest rating of a product counts, bounded to `scale`.

    in_the_last: older events are left out, counted back from the day of training. memory_limit: what training may
    take; above it the similarities are computed in blocks and only the nearest are kept.
    """

    algorithm: Literal["KNNBasic", "KNNWithMeans", "KNNBaseline"] = "KNNBaseline"
    based_on: Literal["items", "users"] = "items"
    similarity: Similarity = "pearson_baseline"
    shrinkage: Annotated[FiniteFloat, Field(ge=0)] = 100.0
    min_support: Annotated[int, Field(ge=1)] = 1
    neighbours: Annotated[int, Field(ge=1, le=1000)] = 40
    min_neighbours: Annotated[int, Field(ge=1, le=1000)] = 1
    rank_by: Literal["similarity", "rating"] = "similarity"
    ratings: Literal["events", "explicit"] = "events"
    weights: Annotated[Mapping[str, FiniteFloat], Field(min_length=1)] = Field(
        default_factory=lambda: {"purchase": 5.0, "add_to_cart": 3.0, "view": 1.0}
    )
    scale: tuple[FiniteFloat, FiniteFloat] = (1.0, 5.0)
    in_the_last: Duration | None = None
    memory_limit: ByteSize = ByteSize(1_000_000_000)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.scale[0] >= self.scale[1]:
            raise ValueError(f"scale runs from low to high, as [1, 5]; {list(self.scale)} does not")
        if "rating" in self.weights:
            raise ValueError("a rating event is taken as it is; leave it out of weights")
        return self
