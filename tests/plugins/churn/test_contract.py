"""The churn segmenter keeps the contract with each of its models, and the suite catches segmenters that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from pydantic import BaseModel

from automation.contracts import Model, Options, Snapshot
from automation.errors import BadArtifact, NotEnoughData
from automation.testing.segmenter import check_segmenter
from automation_churn.options import ChurnOptions
from automation_churn.segmenter import Churn

MODELS = ("logistic", "decision_tree", "random_forest", "gradient_boosting")
LONG = ("decision_tree", "random_forest", "gradient_boosting")


@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in MODELS]
)
def test_keeps_the_contract(model: str) -> None:
    check_segmenter(Churn, ChurnOptions.model_validate({"model": model}))


class Half:
    """A small correct segmenter: everybody's score is the number that it was fitted with."""

    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self, options: Any) -> None:
        self.score = self.before = np.nan

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
        if data.events.count().to_pyarrow().as_py() == 0:
            raise NotEnoughData("an event", "none")
        self.score = 0.5
        return {"half": self.score}

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        return {"score": np.array([self.score])}

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
        if arrays.keys() != {"score"}:
            raise BadArtifact("not a half")
        self.score = float(arrays["score"][0])

    def assign(self, data: Snapshot) -> Iterator[pl.DataFrame]:
        ids = data.customers.select("customer_id").order_by("customer_id").to_polars()
        yield ids.with_columns(
            label=pl.lit("half"), score=pl.lit(self.score), reasons=pl.lit(["because"], pl.List(pl.String))
        )


def broken(name: str, change: Callable[..., Any]) -> type[Half]:
    """`Half` with a changed result of this method."""
    right = getattr(Half, name)

    def method(self: Half, *args: Any, **named: Any) -> Any:
        return change(self, right(self, *args, **named))

    return type("Broken", (Half,), {name: method})


def frames(change: Callable[[pl.DataFrame], pl.DataFrame]) -> type[Half]:
    return broken("assign", lambda _, answer: iter([change(frame) for frame in answer]))


def drift(self: Half, metrics: Mapping[str, float]) -> Mapping[str, float]:
    """Remembers the last fit, so that a second one ends elsewhere."""
    self.score = self.before = 0.5 if np.isnan(self.before) else self.before + 0.1
    return metrics


@pytest.fixture
def _may_import_heavily(monkeypatch: pytest.MonkeyPatch) -> None:
    """This file imports numpy and polars at the top."""
    monkeypatch.setattr("automation.testing.promises.HEAVY", ())


@pytest.mark.usefixtures("_may_import_heavily")
def test_a_correct_segmenter_passes() -> None:
    check_segmenter(Half)


@pytest.mark.usefixtures("_may_import_heavily")
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (frames(lambda frame: frame.drop("label")), "segmenter Broken returned the columns"),
        (
            frames(lambda frame: frame.with_columns(pl.col("score").cast(pl.Float32))),
            "segmenter Broken returned the columns",
        ),
        (frames(lambda frame: frame.vstack(frame[:1])), "a customer twice"),
        (
            frames(lambda frame: frame.with_columns(customer_id="x" + pl.col("customer_id"))),
            "an id that no customer has",
        ),
        (frames(lambda frame: frame.with_columns(score=pl.lit(float("nan")))), "a score that is not a finite number"),
        (frames(lambda frame: frame.with_columns(reasons=pl.lit(["a"] * 4))), "more than 3 reasons"),
        (frames(lambda frame: frame.with_columns(reasons=pl.lit([None], pl.List(pl.String)))), "a missing reason"),
        (broken("assign", lambda _, answer: iter([])), "no frame"),
        (broken("fit", lambda _, metrics: {"half": float("inf")}), r"fit\(\) returned half, not a finite number"),
        (broken("fit", drift), "DataFrames are different"),
        (broken("save", lambda _, arrays: {"score": np.array([0.25])}), "DataFrames are different"),
        (broken("save", lambda _, arrays: {"score": np.array([0.5], object)}), "save.. returned 'score' as object"),
    ],
)
def test_the_suite_catches_what_breaks_the_contract(wrong: type[Half], told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        check_segmenter(wrong)


@pytest.mark.usefixtures("_may_import_heavily")
def test_the_suite_catches_a_model_that_loads_anything() -> None:
    class Trusting(Half):
        def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
            self.score = 0.5

    with pytest.raises(AssertionError, match="which it never saved"):
        check_segmenter(Trusting)


@pytest.mark.usefixtures("_may_import_heavily")
def test_the_suite_catches_a_model_that_fits_an_empty_shop() -> None:
    class Credulous(Half):
        def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
            self.score = 0.5
            return {}

        def assign(self, data: Snapshot) -> Iterator[pl.DataFrame]:
            if data.events.count().to_pyarrow().as_py():
                yield from super().assign(data)
            else:
                everybody = {"customer_id": ["c1"], "label": ["half"], "score": [0.5], "reasons": [["because"]]}
                yield pl.DataFrame(everybody)

    with pytest.raises(AssertionError, match="an empty shop must raise NotEnoughData"):
        check_segmenter(Credulous)
