"""The `popular` recommender."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, Field, FiniteFloat

from automation.contracts import Model, Options, ReasonFiles, ReasonTexts, Snapshot
from automation.errors import AutomationError, BadArtifact, NotEnoughData
from automation.types.quantity import Duration

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

Weight = Annotated[FiniteFloat, Field(gt=0)]


class PopularOptions(Options):
    """Options of `popular`.

    weights: for each event type its weight. A product's score is the sum over these types of the weight times the
    number of distinct customers with such an event. in_the_last: the period before training whose events count.
    min_products: if these events contain fewer products than this, all events count.
    """

    weights: Annotated[Mapping[str, Weight], Field(min_length=1)] = Field(default_factory=lambda: {"purchase": 1.0})
    in_the_last: Duration = timedelta(days=90)
    min_products: Annotated[int, Field(ge=1)] = 20


class Popular:
    """Recommends the most popular products, with the same ranking for every customer, also for unknown ones."""

    Options: ClassVar[type[BaseModel]] = PopularOptions
    reasons: ClassVar[ReasonTexts] = ReasonFiles(__file__)

    def __init__(self, options: PopularOptions) -> None:
        self.options = options
        self._ranking: pl.DataFrame | None = None

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
        """Rank the products by popularity.

        Returns the metrics products (ranked) and all_time (1 if the period had too few products, so that all events
        counted). Raises `NotEnoughData` if there is no event of the types in `weights`.
        """
        since = data.as_of - self.options.in_the_last
        ranking = self._rank_products(data.events.filter(data.events.occurred_at >= since))
        all_time = len(ranking) < self.options.min_products
        if all_time:
            ranking = self._rank_products(data.events)
        if ranking.is_empty():
            raise NotEnoughData(f"one event of type {' or '.join(self.options.weights)} with a product", "none")
        self._ranking = ranking
        return {"products": float(len(ranking)), "all_time": float(all_time)}

    def _rank_products(self, events: Any) -> pl.DataFrame:
        """product_id String, score Float64, sorted by score, highest first; ties by product_id."""
        import ibis
        import polars as pl

        score = ibis.literal(0.0)
        for kind, weight in self.options.weights.items():
            score = score + float(weight) * events.customer_id.nunique(where=events.type == kind)
        wanted = events.type.isin(list(self.options.weights)) & events.product_id.notnull()
        counted: pl.DataFrame = events.filter(wanted).group_by("product_id").aggregate(score=score).to_polars()
        return counted.select("product_id", pl.col("score").cast(pl.Float64)).sort(-pl.col("score"), "product_id")

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """The ranking: products (ids as JSON in UTF-8 bytes) and scores Float64, highest first."""
        import numpy as np

        ranking = self._fitted()
        names = json.dumps(ranking["product_id"].to_list(), ensure_ascii=False).encode()
        return {"products": np.frombuffer(names, np.uint8), "scores": ranking["score"].to_numpy()}

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
        """Restore the arrays of `save`. Raises `BadArtifact` if they are invalid."""
        import numpy as np
        import polars as pl

        for name, dtype in (("products", np.uint8), ("scores", np.float64)):
            if name not in arrays or arrays[name].dtype != dtype or arrays[name].ndim != 1:
                raise BadArtifact(
                    f"popular: {name!r} must be {np.dtype(dtype)} with 1 dimension; train the model again"
                )
        try:
            names = json.loads(arrays["products"].tobytes())
        except ValueError as error:
            raise BadArtifact(f"popular: 'products' can't be read: {error}") from error
        if not isinstance(names, list) or len(names) != len(arrays["scores"]):
            raise BadArtifact("popular: 'products' and 'scores' differ in length; train the model again")
        self._ranking = pl.DataFrame(
            {"product_id": pl.Series(names, dtype=pl.String), "score": pl.Series(arrays["scores"], dtype=pl.Float64)}
        )

    def recommend(
        self, customers: pl.Series, history: pl.DataFrame, *, k: int, allowed: pl.Series, blocked: pl.DataFrame
    ) -> pl.DataFrame:
        """See `contracts.Recommender`. score: defined in `PopularOptions`; because: empty."""
        import polars as pl

        ranking = self._fitted().filter(pl.col("product_id").is_in(allowed.implode())).with_row_index("rank")
        blocked_ranks = blocked.join(ranking, on="product_id").select("customer_id", "product_id").unique()
        # A customer needs only the first k + (number of blocked products) of the ranking, which bounds the rows.
        depth = pl.col("len").fill_null(0) + k
        counts = blocked_ranks.group_by("customer_id").len()
        return (
            customers.alias("customer_id")
            .to_frame()
            .with_row_index("row")
            .join(counts, on="customer_id", how="left")
            .with_columns(pl.int_ranges(pl.min_horizontal(depth, pl.lit(len(ranking))), dtype=pl.UInt32).alias("rank"))
            .explode("rank")
            .join(ranking, on="rank")
            .join(blocked_ranks, on=["customer_id", "product_id"], how="anti")
            .sort("row", "rank")
            .filter(pl.int_range(pl.len()).over("row") < k)
            .select(
                "customer_id",
                "product_id",
                "score",
                pl.lit("popular_now").alias("reason"),
                pl.lit([], dtype=pl.List(pl.String)).alias("because"),
            )
        )

    def _fitted(self) -> pl.DataFrame:
        if self._ranking is None:
            raise AutomationError("popular is not trained yet; run `automation train`")
        return self._ranking
