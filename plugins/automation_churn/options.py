"""The options of the `churn` segmenter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from automation.contracts import Options
from automation.types.quantity import Duration


class ChurnOptions(Options):
    """Options of `churn`: when a customer counts as lapsed, which events are used, and which model is trained.

    horizon: a customer who buys nothing for this long has lapsed. history: only events of this period are used;
    customers without a purchase in it are not in the segment. model: the kind of classifier. bought, visited: the event
    types that count as a purchase, and as other activity. labels: the minimum score of each label; a customer gets the
    label with the highest minimum that the score reaches.
    """

    horizon: Duration = timedelta(days=60)
    history: Duration = timedelta(days=730)
    model: Literal["logistic", "decision_tree", "random_forest", "gradient_boosting"] = "logistic"
    bought: tuple[str, ...] = Field(default=("purchase",), min_length=1)
    visited: tuple[str, ...] = ("view", "search", "add_to_cart")
    labels: Mapping[str, float] = Field(
        default={"likely to lapse": 0.7, "may lapse": 0.4, "likely to buy again": 0.0}, min_length=1
    )

    @model_validator(mode="after")
    def _are_consistent(self) -> ChurnOptions:
        if self.horizon < timedelta(days=1):
            raise ValueError("horizon must be at least 1d")
        if self.history < 2 * self.horizon:
            raise ValueError("history must be at least twice the horizon")
        if not all(0 <= minimum <= 1 for minimum in self.labels.values()):
            raise ValueError("labels: a minimum score is a probability, from 0 to 1")
        if len(set(self.labels.values())) < len(self.labels):
            raise ValueError("labels: two labels have the same minimum score")
        return self
