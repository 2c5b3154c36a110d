"""The options of `surprise_knn`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import ByteSize, Field, FiniteFloat, model_validator

from automation.contracts import Options
from automation.types.quantity import Duration

Similarity = Literal["cosine", "msd", "pearson", "pearson_baseline", "co_occurrence"]


class SurpriseKnnOptions(Options):
    """Options of `surprise_knn`.

    algorithm, similarity, shrinkage, min_support, neighbours (Surprise's k) and min_neighbours (its min_k): see the
    manual of Surprise. The similarity `co_occurrence` is ours: n_xy / sqrt(n_x n_y), which ignores the values of the
    ratings. It is also used if all ratings are equal.

    rank_by: `similarity` ranks a product by the sum of its positive similarities with the customer's products, over the
    product's nearest `neighbours`; `rating` ranks by the predicted rating, which favours products with a single high
    rating.

    ratings: `explicit` uses only rating events. `events` adds up `weights` over a customer's events with a product:
    rating = low + log2(points), rounded to the nearest half and limited to `scale`, so that doubling the points adds 1.
    With the defaults one purchase is 3.5, two are 4.5, three or more 5, a view 1, a cart 2.5. If the customer also
    rated the product, the latest rating, limited to `scale`, counts instead. A negative weight (for a return) subtracts
    points; a product with no points left is ignored.

    in_the_last: only events of this period before training count. memory_limit: the memory that training may use; if it
    is too small for all similarities, they are computed in blocks and only the nearest are kept.
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
            raise ValueError(f"scale must be [low, high], such as [1, 5]; {list(self.scale)} is not")
        if "rating" in self.weights:
            raise ValueError("rating events have no weight; remove rating from weights")
        return self
