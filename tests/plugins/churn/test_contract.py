"""The churn segmenter keeps the contract with each of its models."""

from __future__ import annotations

import pytest

from automation.testing.segmenter import check_segmenter
from automation_churn.segmenter import Churn, ChurnOptions

MODELS = ("logistic", "decision_tree", "random_forest", "gradient_boosting")


@pytest.mark.parametrize("model", MODELS)
def test_keeps_the_contract(model: str) -> None:
    check_segmenter(Churn, ChurnOptions.model_validate({"model": model}))
