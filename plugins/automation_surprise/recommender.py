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
    from automation_surprise.training import TrainedModel


class SurpriseKnn:
    """k nearest neighbours by scikit-surprise: products like the customer's own, or chosen by similar customers.

    Based on items, a customer's ratings come from the history in `recommend`, and the model contains no customer data.
    Based on users, they come from training, and the history is ignored. A customer without ratings gets no
    recommendations. Options: see `SurpriseKnnOptions`.
    """

    Options: ClassVar[type[BaseModel]] = SurpriseKnnOptions
    reasons: ClassVar[ReasonTexts] = ReasonFiles(__file__)

    def __init__(self, options: SurpriseKnnOptions) -> None:
        self.options = options
        self._model: TrainedModel | None = None

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
        """Fit the model to the snapshot's events. Training is deterministic, so `seed` has no effect.

        Returns customers, products, ratings, rating_signal (0 if all ratings are equal: co-occurrence is used then, and
        products are ranked by similarity), neighbours (stored), memory_mb (what a dense fit by Surprise needs).
        Raises `NotEnoughData`, and `AutomationError` if even blocks exceed `memory_limit`.
        """
        from automation_surprise.ratings import read_ratings
        from automation_surprise.training import dense_bytes, train

        ratings = read_ratings(data, self.options)
        self._model = train(ratings, data.as_of, self.options)
        size = self._model.neighbours.shape[0]
        similarity = "cosine" if self.options.similarity == "co_occurrence" else self.options.similarity
        return {
            "customers": float(len(ratings.customers)),
            "products": float(len(ratings.products)),
            "ratings": float(ratings.matrix.nnz),
            "rating_signal": float(ratings.has_signal),
            "neighbours": float(self._model.neighbours.nnz),
            "memory_mb": dense_bytes(size, ratings.matrix.nnz, similarity) / 1e6,
        }

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """The model as arrays without object dtype."""
        from automation_surprise.artifact import to_arrays

        return to_arrays(self._fitted(), self.options)

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
        """Restore the arrays of `save`. Raises `BadArtifact` for a missing array or a wrong dtype, shape or option."""
        from automation_surprise.artifact import from_arrays

        self._model = from_arrays(arrays, self.options)

    def recommend(
        self, customers: pl.Series, history: pl.DataFrame, *, k: int, allowed: pl.Series, blocked: pl.DataFrame
    ) -> pl.DataFrame:
        """See `contracts.Recommender`. score: the sum of similarities, or the predicted rating with `rank_by: rating`.

        A product without a neighbour of positive similarity is never recommended.
        """
        import numpy as np
        import polars as pl

        from automation_surprise.ranking import explain, select_top_k
        from automation_surprise.ratings import build_pair_matrix, find_positions

        model = self._fitted()
        batch = self._batch(customers, history)
        candidates = np.unique(find_positions(allowed, model.products))
        candidates = candidates[candidates >= 0]
        blocked_pairs = build_pair_matrix(blocked, batch.ids, model.products)
        picks = select_top_k(model, self.options, batch, candidates, blocked=blocked_pairs, k=k)
        reasons = explain(model, self.options, batch, picks)
        return pl.DataFrame(
            {
                "customer_id": batch.ids.gather(picks.rows),
                "product_id": model.products.gather(picks.products),
                "score": picks.scores,
                "reason": reasons["reason"],
                "because": reasons["because"],
            }
        )

    def estimates(self, customers: pl.Series, history: pl.DataFrame, products: pl.Series) -> NDArray[np.float64]:
        """Predicted ratings (customers × products) Float64, as Surprise's `predict` computes them.

        Raises `AutomationError` unless the model was trained with `rank_by: rating`. Unknown customers and products get
        Surprise's fallbacks. The values equal those of `predict` within 1e-9, unless the model was trained in blocks,
        which keep only the nearest neighbours.
        """
        from automation_surprise.prediction import estimate
        from automation_surprise.ratings import build_rating_matrix, find_positions, rate_history

        model = self._fitted()
        if model.rank_by != "rating":
            raise AutomationError("this model does not predict ratings; train it with rank_by: rating")
        rated = build_rating_matrix(rate_history(history, model.as_of, self.options), customers, model.products)
        rows = find_positions(customers, model.customers)
        return estimate(model, self.options, rated.matrix, rows, find_positions(products, model.products)).ratings

    def _batch(self, customers: pl.Series, history: pl.DataFrame) -> Batch:
        """The known customers with their ratings."""
        import numpy as np

        from automation_surprise.ranking import Batch
        from automation_surprise.ratings import LOOKED_AT, build_rating_matrix, find_positions, rate_history

        model = self._fitted()
        if self.options.based_on == "users":
            rows = find_positions(customers, model.customers)
            known = rows >= 0
            owned = model.ratings[rows[known]]
            return Batch(customers.filter(known), rows[known], owned, np.full(owned.nnz, LOOKED_AT, np.int8))
        rated = build_rating_matrix(rate_history(history, model.as_of, self.options), customers, model.products)
        known = np.diff(rated.matrix.indptr) > 0  # dropping empty rows does not change the order of the values
        ids = customers.filter(known)
        return Batch(ids, np.full(len(ids), -1), rated.matrix[known], rated.kinds)

    def _fitted(self) -> TrainedModel:
        if self._model is None:
            raise AutomationError("surprise_knn is not trained yet; run `automation train`")
        return self._model
