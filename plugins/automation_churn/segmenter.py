"""The `churn` segmenter; it imports heavy libraries only when it fits or scores."""

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
    from automation_churn.model import Fitted


class Churn:
    """Who is likely to buy nothing within `horizon`, as a calibrated probability with reasons.

    Features come from events strictly before a cut date; the target is whether a purchase followed in
    [cut, cut + horizon). The model in use is fitted at the cut as_of − horizon. Its quality comes from a time split: a
    second model, fitted one window earlier at as_of − 2 · horizon, predicts the customers of as_of − horizon, and
    recency alone predicts the same customers as the baseline.
    """

    Options: ClassVar[type[BaseModel]] = ChurnOptions
    judged_by: ClassVar[tuple[str, str]] = ("AUC", "recency alone")

    def __init__(self, options: ChurnOptions) -> None:
        self.options = options
        self._fitted: Fitted | None = None

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
        """Learn from `data.events`; the same data and seed give the same arrays.

        Returns auc, pr_auc, brier, calibration_error, baseline_auc, quality (= auc) and baseline (= baseline_auc) of
        the time split, and customers and lapse_rate of the final fit. Raises `NotEnoughData` where either of the two
        windows has fewer than 50 customers who bought again, or fewer than 50 who did not.
        """
        from automation_churn.examples import check_enough, examples_at
        from automation_churn.model import Fitted, judge

        horizon = self.options.horizon
        later, earlier = data.as_of - horizon, data.as_of - 2 * horizon
        before = examples_at(data.events, earlier, self.options)
        check_enough(before, earlier, horizon)
        known = examples_at(data.events, later, self.options)
        check_enough(known, later, horizon)
        metrics = judge(Fitted.learn(self.options.model, before, seed=seed), known)
        self._fitted = Fitted.learn(self.options.model, known, seed=seed)
        return metrics | {"customers": float(len(known.lapsed)), "lapse_rate": float(known.lapsed.mean())}

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Float64, int32 and uint8 arrays, the features' names among them."""
        return self._ready().arrays()

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
        """Restore what `save` returned. Raises `BadArtifact` for arrays of another model or other features."""
        from automation_churn.model import Fitted

        try:
            self._fitted = Fitted.from_arrays(self.options.model, arrays)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise BadArtifact(
                f"these are not the arrays of a {self.options.model} churn model: {what}; train it again"
            ) from error

    def assign(self, data: Snapshot) -> Iterator[pl.DataFrame]:
        """Frames of at most 50,000: customer_id String, label String (null below every label's least score), score
        Float64 (probability of no purchase within `horizon` of `data.as_of`), reasons List[String] (0 to 3).

        Sorted by customer_id; a customer without a purchase in `history` is absent.
        """
        from automation_churn.examples import features_at, frames

        fitted = self._ready()
        for frame in frames(features_at(data.events, data.as_of, self.options)):
            yield fitted.describe(frame, self.options.labels)

    def _ready(self) -> Fitted:
        if self._fitted is None:
            raise BadArtifact("this churn model was neither fitted nor loaded: run `automation train`")
        return self._fitted
