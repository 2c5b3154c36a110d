"""What every recommender must do, as one call: `check_recommender(lambda: MyRecommender(MyRecommender.Options()))`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from automation.contracts import Recommender, Snapshot, reason_texts
from automation.contracts.answers import check_arrays, check_metrics, check_recommendations
from automation.errors import NotEnoughData
from automation.testing.promises import (
    check_light_import,
    check_options,
    check_refused,
    keep,
    require,
    through_file,
)
from automation.types.language import FALLBACK

if TYPE_CHECKING:
    import polars as pl

Make = Callable[[], Recommender]


@dataclass(frozen=True)
class Case:
    """A recommender's maker and a shop: the batch is all of its customers, with all of their events as history."""

    make: Make
    snapshot: Snapshot
    customers: pl.Series
    history: pl.DataFrame
    allowed: pl.Series
    blocked: pl.DataFrame

    def fitted(self) -> Recommender:
        """A new recommender, fitted on the shop."""
        model = self.make()
        model.fit(self.snapshot, seed=1, parts={})
        return model

    def ask(self, model: Recommender, *, k: int = 3, **changed: Any) -> pl.DataFrame:
        """The recommender's answer with some arguments changed, after checking its form. Raises AssertionError."""
        asked: dict[str, Any] = {"allowed": self.allowed, "blocked": self.blocked, **changed}
        customers, history = asked.pop("customers", self.customers), asked.pop("history", self.history)
        answer = model.recommend(customers, history, k=k, **asked)
        keep(check_recommendations, answer, f"recommender {type(model).__name__}", customers, k=k, **asked)
        texts = keep(reason_texts, model)
        if texts:
            unknown = sorted(set(answer["reason"]) - set(texts.get(FALLBACK, {})))
            require(not unknown, f"every reason needs a text in `reasons`; {unknown} have none")
        return answer


def check_recommender(make: Make, snapshot: Snapshot | None = None) -> None:
    """Assert the contract of `automation.contracts.Recommender`.

    make: returns a new, unfitted recommender each time. snapshot: a shop that it can learn from; the toy shop if None.

    Checked: options are frozen and strict; the module imports nothing heavy; metrics are finite; without events `fit`
    raises `NotEnoughData`; the form of every answer, and reason codes with a text; the same data and seed give the same
    answer, after fitting again and after saving and loading too; foreign arrays raise `BadArtifact`; nothing in gives
    nothing out; unknown customers and products, the order of rows and the other customers of a batch change nothing.
    Raises AssertionError, saying which of these is broken.
    """
    import polars as pl

    from automation.testing.toy_shop import toy_snapshot

    snapshot = snapshot or toy_snapshot()
    events = snapshot.events.to_polars()
    case = Case(
        make,
        snapshot,
        snapshot.customers.to_polars()["customer_id"].sort(),
        events.select("customer_id", "product_id", "type", "occurred_at", "amount"),
        snapshot.products.to_polars()["product_id"].sort(),
        events.filter(pl.col("type") == "purchase")
        .select("customer_id", "product_id")
        .drop_nulls()
        .unique()
        .sort(pl.all()),
    )
    for check in _CHECKS:
        check(case)


def _options_are_strict(case: Case) -> None:
    check_options(type(case.make()))


def _imports_nothing_heavy(case: Case) -> None:
    check_light_import(type(case.make()))


def _fit_reports(case: Case) -> None:
    model = case.make()
    keep(check_metrics, model.fit(case.snapshot, seed=1, parts={}), type(model).__name__)


def _no_data_is_reported(case: Case) -> None:
    nobody = case.snapshot.profiles.limit(0)
    nothing = replace(case.snapshot, events=case.snapshot.events.limit(0), measure_profiles=lambda: nobody)
    try:
        case.make().fit(nothing, seed=1, parts={})
    except NotEnoughData:
        return
    except Exception as error:
        raise AssertionError(f"without events fit must raise NotEnoughData, raised {error!r}") from error


def _answers_as_asked(case: Case) -> None:
    model = case.fitted()
    require(
        len(case.ask(model)) > 0, "nothing at all was recommended; check_recommender needs a shop it can learn from"
    )
    for k in (1, 2, 100):
        case.ask(model, k=k)
    case.ask(model, allowed=case.allowed.head(2))
    none = case.ask(model, blocked=case.customers.to_frame().join(case.allowed.to_frame(), how="cross"))
    require(none.is_empty(), "with every pair blocked the answer must be empty")


def _repeats_itself(case: Case) -> None:
    model = case.fitted()
    first = case.ask(model)
    require(case.ask(model).equals(first), "the same question must get the same answer")
    require(case.ask(case.fitted()).equals(first), "a second model fitted on the same data must answer the same")
    model.fit(case.snapshot, seed=1, parts={})
    require(case.ask(model).equals(first), "fit must start from scratch: fitting again changed the answer")


def _survives_saving(case: Case) -> None:
    model = case.fitted()
    keep(check_arrays, model.save(), type(model).__name__)
    arrays = through_file(model.save())
    loaded = case.make()
    loaded.load(arrays, parts={})
    require(case.ask(loaded).equals(case.ask(model)), "a loaded model must answer exactly as the saved one")
    for name, array in arrays.items():
        check_refused(
            case.make(), {other: kept for other, kept in arrays.items() if other != name}, f"without {name!r}"
        )
        check_refused(case.make(), arrays | {name: array.astype("U8")}, f"with text as {name!r}")


def _nothing_in_nothing_out(case: Case) -> None:
    model = case.fitted()
    empty = case.ask(model, customers=case.customers.clear(), history=case.history.clear())
    require(empty.is_empty(), "an empty batch must get an empty answer")
    require(case.ask(model, allowed=case.allowed.clear()).is_empty(), "without allowed products nothing may come back")
    case.ask(model, history=case.history.clear())
    case.ask(model, blocked=case.blocked.clear())


def _unknown_ids_change_nothing(case: Case) -> None:
    import polars as pl

    model = case.fitted()
    newcomer = pl.Series(case.customers.name, ["nobody the shop knows"])
    unknown = pl.Series(case.allowed.name, ["nothing the shop sells"])
    with_both = case.ask(
        model, customers=pl.concat([case.customers, newcomer]), allowed=pl.concat([case.allowed, unknown])
    )
    others = with_both.filter(pl.col("customer_id") != newcomer[0])
    require(_same(others, case.ask(model)), "an unknown customer or product must not change what others get")


def _order_does_not_matter(case: Case) -> None:
    import polars as pl

    model = case.fitted()
    whole = case.ask(model)
    turned = case.ask(
        model, customers=case.customers.reverse(), history=case.history.reverse(), allowed=case.allowed.reverse()
    )
    require(_same(turned, whole), "the order of the batch, the history and the allowed products must not matter")
    halves = (case.customers[: len(case.customers) // 2], case.customers[len(case.customers) // 2 :])
    parts = [
        case.ask(model, customers=half, history=case.history.filter(pl.col("customer_id").is_in(half.implode())))
        for half in halves
    ]
    require(_same(pl.concat(parts), whole), "a customer's answer must not depend on who else is in the batch")


def _same(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Equal but for the order of rows and the last digits of the score."""
    ids = ["customer_id", "product_id"]
    one, other = one.sort(ids), other.sort(ids)
    equal = one.drop("score").equals(other.drop("score"))
    return equal and bool(((one["score"] - other["score"]).abs() <= 1e-9).all())


_CHECKS: tuple[Callable[[Case], None], ...] = (
    _options_are_strict,
    _imports_nothing_heavy,
    _fit_reports,
    _no_data_is_reported,
    _answers_as_asked,
    _repeats_itself,
    _survives_saving,
    _nothing_in_nothing_out,
    _unknown_ids_change_nothing,
    _order_does_not_matter,
)
