"""The `churn` segmenter. It imports heavy libraries only to fit or score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from automation.errors import BadArtifact
from automation_churn.options import ChurnOptions

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from automation.contracts import Model, Snapshot
    from automation_churn.model import ChurnModel


class Churn:
    """Predicts who will buy nothing within `horizon`: a calibrated probability for each customer, with reasons.

    Features are computed from events strictly before a cut date; the target is whether the customer bought in
    [cut, cut + horizon). The model is fitted at the cut as_of − horizon. Its quality is measured by a time split: a
    second model, fitted at as_of − 2 · horizon, predicts the customers of as_of − horizon. The baseline is recency
    alone, for the same customers.
    """

    Options: ClassVar[type[BaseModel]] = ChurnOptions
    judged_by: ClassVar[tuple[str, str]] = ("AUC", "recency alone")

    def __init__(self, options: ChurnOptions) -> None:
        self.options = options
        self._model: ChurnModel | None = None

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
        """Fit the model to `data.events`; the same data and seed give the same arrays.

        Returns auc, pr_auc, brier, calibration_error, baseline_auc, quality (= auc) and baseline (= baseline_auc) of
        the time split, and customers and lapse_rate of the final fit. Raises `NotEnoughData` if one of the two windows
        has fewer than 50 customers who bought again, or fewer than 50 who did not.
        """
        from automation_churn.examples import check_enough, examples_at
        from automation_churn.model import ChurnModel, evaluate

        horizon = self.options.horizon
        later, earlier = data.as_of - horizon, data.as_of - 2 * horizon
        before = examples_at(data.events, earlier, self.options)
        check_enough(before, earlier, horizon)
        known = examples_at(data.events, later, self.options)
        check_enough(known, later, horizon)
        metrics = evaluate(ChurnModel.fit(self.options.model, before, seed=seed), known)
        self._model = ChurnModel.fit(self.options.model, known, seed=seed)
        return metrics | {"customers": float(len(known.lapsed)), "lapse_rate": float(known.lapsed.mean())}

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """The model as float64, int32, int64 and uint8 arrays, with the names of its columns."""
        return self._require_model().arrays()

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
        """Restore the arrays of `save`. Raises `BadArtifact` for arrays of another kind of model or other features."""
        from automation_churn.model import ChurnModel

        try:
            self._model = ChurnModel.from_arrays(self.options.model, arrays)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            detail = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise BadArtifact(
                f"these are not the arrays of a {self.options.model} churn model: {detail}; train the model again"
            ) from error

    def assign(self, data: Snapshot) -> Iterator[pl.DataFrame]:
        """Frames of at most 50,000: customer_id String, label String (null below the lowest minimum), score
        Float64 (probability of no purchase within `horizon` of `data.as_of`), reasons List[String] (0 to 3).

        Sorted by customer_id. A customer without a purchase within `history` is absent.
        """
        from automation_churn.examples import features_at, read_frames

        model = self._require_model()
        for frame in read_frames(features_at(data.events, data.as_of, self.options)):
            yield model.describe(frame, self.options.labels)

    def _require_model(self) -> ChurnModel:
        if self._model is None:
            raise BadArtifact("this churn model is not trained yet; run `automation train`")
        return self._model
