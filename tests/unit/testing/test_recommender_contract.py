"""Each promise that a recommender can break is noticed, and named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from pydantic import BaseModel, ConfigDict

from automation.contracts import Options, ReasonTexts, Snapshot
from automation.errors import BadArtifact, NotEnoughData
from automation.testing.recommender import check_recommender


class Best(Options):
    pass


class Honest:
    """Recommends what was bought most often, to everybody."""

    Options: ClassVar[type[BaseModel]] = Best
    reasons: ClassVar[ReasonTexts] = {"en": {"bought_most": "bought most often"}}

    def __init__(self, options: Any) -> None:
        self.counts = pl.DataFrame()

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Any]) -> Mapping[str, float]:
        events = data.events.to_polars().filter(pl.col("type") == "purchase")
        if events.is_empty():
            raise NotEnoughData("one purchase", "none")
        self.counts = events.group_by("product_id").agg(pl.len().cast(pl.Float64).alias("score"))
        return {"products": float(len(self.counts))}

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        counts = self.counts.sort("product_id")
        ids = np.frombuffer("\n".join(counts["product_id"]).encode(), np.uint8)
        return {"ids": ids, "scores": counts["score"].to_numpy()}

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Any]) -> None:
        if set(arrays) != {"ids", "scores"} or [a.dtype for a in arrays.values()] != [np.uint8, np.float64]:
            raise BadArtifact("not mine")
        ids = bytes(arrays["ids"]).decode().split("\n")
        self.counts = pl.DataFrame({"product_id": ids, "score": arrays["scores"]})

    def recommend(
        self, customers: pl.Series, history: pl.DataFrame, *, k: int, allowed: pl.Series, blocked: pl.DataFrame
    ) -> pl.DataFrame:
        return (
            customers.alias("customer_id")
            .to_frame()
            .join(self.counts.filter(pl.col("product_id").is_in(allowed.implode())), how="cross")
            .join(blocked, on=["customer_id", "product_id"], how="anti")
            .sort("customer_id", -pl.col("score"), "product_id")
            .group_by("customer_id", maintain_order=True)
            .head(k)
            .with_columns(reason=pl.lit("bought_most"), because=pl.lit([], dtype=pl.List(pl.String)))
        )


class Careless(Honest):
    """Changes its answer in one way."""

    def change(self, answer: pl.DataFrame, **asked: Any) -> pl.DataFrame:
        return answer

    def recommend(self, customers: pl.Series, history: pl.DataFrame, **asked: Any) -> pl.DataFrame:
        return self.change(
            super().recommend(customers, history, **asked), customers=customers, history=history, **asked
        )


class RenamesAColumn(Careless):
    def change(self, answer: pl.DataFrame, **asked: Any) -> pl.DataFrame:
        return answer.rename({"score": "rank"})


class ScoresInFloat32(Careless):
    def change(self, answer: pl.DataFrame, **asked: Any) -> pl.DataFrame:
        return answer.cast({"score": pl.Float32})


class ScoresNan(Careless):
    def change(self, answer: pl.DataFrame, **asked: Any) -> pl.DataFrame:
        return answer.with_columns(score=pl.lit(float("nan")))


class RepeatsAProduct(Careless):
    def change(self, answer: pl.DataFrame, **asked: Any) -> pl.DataFrame:
        return pl.concat([answer, answer.head(1)])


class ForgetsK(Honest):
    def recommend(self, customers: pl.Series, history: pl.DataFrame, *, k: int, **asked: Any) -> pl.DataFrame:
        return super().recommend(customers, history, k=k + 1, **asked)


class ForgetsBlocked(Honest):
    def recommend(
        self, customers: pl.Series, history: pl.DataFrame, *, blocked: pl.DataFrame, **asked: Any
    ) -> pl.DataFrame:
        return super().recommend(customers, history, blocked=blocked.clear(), **asked)


class ForgetsAllowed(Honest):
    def recommend(
        self, customers: pl.Series, history: pl.DataFrame, *, allowed: pl.Series, **asked: Any
    ) -> pl.DataFrame:
        return super().recommend(customers, history, allowed=self.counts["product_id"], **asked)


class AnswersForStrangers(Careless):
    def change(self, answer: pl.DataFrame, **asked: Any) -> pl.DataFrame:
        return answer.with_columns(customer_id=pl.lit("somebody else")).unique(["customer_id", "product_id"])


class InventsAReason(Careless):
    def change(self, answer: pl.DataFrame, **asked: Any) -> pl.DataFrame:
        return answer.with_columns(reason=pl.lit("magic"))


class RemembersTheLastFit(Honest):
    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Any]) -> Mapping[str, float]:
        before = self.counts
        metrics = super().fit(data, seed=seed, parts=parts)
        if not before.is_empty():
            self.counts = self.counts.with_columns(pl.col("score") + 1)
        return metrics


class ReportsNan(Honest):
    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Any]) -> Mapping[str, float]:
        super().fit(data, seed=seed, parts=parts)
        return {"quality": float("nan")}


class FailsWithoutEvents(Honest):
    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Any]) -> Mapping[str, float]:
        if data.events.count().to_pyarrow().as_py() == 0:
            raise ZeroDivisionError
        return super().fit(data, seed=seed, parts=parts)


class LosesDigits(Honest):
    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        saved = dict(super().save())
        return saved | {"scores": np.zeros_like(saved["scores"])}


class LoadsAnything(Honest):
    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Any]) -> None:
        if "ids" in arrays and "scores" in arrays and arrays["ids"].dtype == np.uint8:
            super().load(arrays | {"scores": arrays["scores"].astype(np.float64)}, parts=parts)  # type: ignore[operator]


class DependsOnTheFirstOfTheBatch(Careless):
    def change(self, answer: pl.DataFrame, **asked: Any) -> pl.DataFrame:
        return answer.with_columns(score=pl.lit(float(len(asked["customers"])))) if len(answer) else answer


class LooseOptions(BaseModel):
    model_config = ConfigDict(frozen=True)


class TakesAnyOption(Honest):
    Options: ClassVar[type[BaseModel]] = LooseOptions


def test_an_honest_recommender_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    check(Honest, monkeypatch)


@pytest.mark.parametrize(
    ("made", "promise"),
    [
        (RenamesAColumn, "recommender RenamesAColumn returned the columns"),
        (ScoresInFloat32, "returned the columns .* score Float32, .*, not customer_id String"),
        (ScoresNan, "returned a score that is not a finite number"),
        (RepeatsAProduct, "returned a product twice for one customer"),
        (ForgetsK, "returned more than 3 products for a customer"),
        (ForgetsBlocked, "returned a blocked product"),
        (ForgetsAllowed, "returned a product that is not allowed"),
        (AnswersForStrangers, "returned a customer who was not asked about"),
        (InventsAReason, r"every reason needs a text in `reasons`; \['magic'\] have none"),
        (RemembersTheLastFit, "fit must start from scratch"),
        (ReportsNan, r"ReportsNan: fit\(\) returned quality, not a finite number"),
        (FailsWithoutEvents, "without events fit must raise NotEnoughData, raised ZeroDivisionError"),
        (LosesDigits, "a loaded model must answer exactly as the saved one"),
        (LoadsAnything, "load without 'ids' must raise BadArtifact, and did not"),
        (DependsOnTheFirstOfTheBatch, "must not change what others get"),
        (TakesAnyOption, "Options must be frozen and extra"),
    ],
)
def test_a_broken_promise_is_named(made: type[Honest], promise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match=promise):
        check(made, monkeypatch)


def test_heavy_imports_are_named() -> None:
    """This very file imports numpy and polars at its top."""
    with pytest.raises(AssertionError, match=r"the module imports .*numpy.*polars"):
        check_recommender(lambda: Honest(Best()))


def check(made: type[Honest], monkeypatch: pytest.MonkeyPatch) -> None:
    """All checks but that of heavy imports, which a test file can't pass."""
    monkeypatch.setattr("automation.testing.promises.HEAVY", ())
    check_recommender(lambda: made(made.Options()))
