"""The `surprise_knn` recommender."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from automation.contracts import Model, ReasonFiles, ReasonTexts, Snapshot
from automation.errors import AutomationError
from automation_surprise.options import SurpriseKnnOptions

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from automation_surprise.ranking import Batch
    from automation_surprise.training import Learned


class SurpriseKnn:
    """Products that are like the customer's own, or that customers like them chose; trained by scikit-surprise.

    Based on items, a customer is known by the history given with the batch, and the trained model holds no customer.
    Based on users, a customer is known by what was known at training, and the history is not looked at. A customer who
    is not known is absent. Options: see `SurpriseKnnOptions`.
    """

    Options: ClassVar[type[BaseModel]] = SurpriseKnnOptions
    reasons: ClassVar[ReasonTexts] = ReasonFiles(__file__)

    def __init__(self, options: SurpriseKnnOptions) -> None:
        self.options = options
        self._learned: Learned | None = None

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
        """Learn from the snapshot's events; `seed` changes nothing, there is no chance in it.

        Returns customers, products, ratings, rating_signal (0 when all ratings are equal: then co-occurrence is used,
        and products are ranked by similarity), neighbours (kept), memory_mb (what Surprise's dense fit takes).
        Raises `NotEnoughData`, and `AutomationError` when even computing in blocks exceeds `memory_limit`.
        """
        from automation_surprise.ratings import read_ratings
        from automation_surprise.training import dense_bytes, train

        ratings = read_ratings(data, self.options)
        self._learned = train(ratings, data.as_of, self.options)
        size = self._learned.neighbours.shape[0]
        similarity = "cosine" if self.options.similarity == "co_occurrence" else self.options.similarity
        return {
            "customers": float(len(ratings.customers)),
            "products": float(len(ratings.products)),
            "ratings": float(ratings.matrix.nnz),
            "rating_signal": float(ratings.has_signal),
            "neighbours": float(self._learned.neighbours.nnz),
            "memory_mb": dense_bytes(size, ratings.matrix.nnz, similarity) / 1e6,
        }

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """What was learned, as arrays without object dtype."""
        from automation_surprise.artifact import pack

        return pack(self._fitted(), self.options)

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
        """Take back what `save` gave. Raises `BadArtifact` on a missing array, a wrong dtype, shape or option."""
        from automation_surprise.artifact import unpack

        self._learned = unpack(arrays, self.options)

    def recommend(
        self, customers: pl.Series, history: pl.DataFrame, *, k: int, allowed: pl.Series, blocked: pl.DataFrame
    ) -> pl.DataFrame:
        """As `contracts.Recommender`; score is the summed similarity, or the predicted rating with `rank_by: rating`.

        A product that no neighbour speaks for is never recommended.
        """
        import numpy as np
        import polars as pl

        from automation_surprise.ranking import explain, pick
        from automation_surprise.ratings import pairs, positions

        learned = self._fitted()
        batch = self._batch(customers, history)
        candidates = np.unique(positions(allowed, learned.products))
        candidates = candidates[candidates >= 0]
        kept_out = pairs(blocked, batch.ids, learned.products)
        picks = pick(learned, self.options, batch, candidates, blocked=kept_out, k=k)
        why = explain(learned, self.options, batch, picks)
        return pl.DataFrame(
            {
                "customer_id": batch.ids.gather(picks.rows),
                "product_id": learned.products.gather(picks.products),
                "score": picks.scores,
                "reason": why["reason"],
                "because": why["because"],
            }
        )

    def estimates(self, customers: pl.Series, history: pl.DataFrame, products: pl.Series) -> NDArray[np.float64]:
        """Predicted ratings (customers × products) Float64: what Surprise's own `predict` gives for each pair.

        Needs a model trained with `rank_by: rating`. Unknown customers and products get Surprise's fall-backs. Equal to
        `predict` to 1e-9 unless the model was trained in blocks, where only each row's nearest are kept.
        """
        from automation_surprise.prediction import estimate
        from automation_surprise.ratings import positions, rate_history, tabulate

        learned = self._fitted()
        if learned.rank_by != "rating":
            raise AutomationError("this model keeps no predicted ratings; train it with rank_by: rating")
        rated = tabulate(rate_history(history, learned.as_of, self.options), customers, learned.products)
        rows = positions(customers, learned.customers)
        return estimate(learned, self.options, rated.matrix, rows, positions(products, learned.products)).ratings

    def _batch(self, customers: pl.Series, history: pl.DataFrame) -> Batch:
        """The customers who are known, with what they own."""
        import numpy as np

        from automation_surprise.ranking import Batch
        from automation_surprise.ratings import LOOKED_AT, positions, rate_history, tabulate

        learned = self._fitted()
        if self.options.based_on == "users":
            rows = positions(customers, learned.customers)
            known = rows >= 0
            owned = learned.ratings[rows[known]]
            return Batch(customers.filter(known), rows[known], owned, np.full(owned.nnz, LOOKED_AT, np.int8))
        rated = tabulate(rate_history(history, learned.as_of, self.options), customers, learned.products)
        known = np.diff(rated.matrix.indptr) > 0  # a row without a value leaves the values' order as it is
        ids = customers.filter(known)
        return Batch(ids, np.full(len(ids), -1), rated.matrix[known], rated.kinds)

    def _fitted(self) -> Learned:
        if self._learned is None:
            raise AutomationError("surprise_knn is not trained yet; run `automation train`")
        return self._learned
