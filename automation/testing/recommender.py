"""What every recommender promises, checked in one line: `check_recommender(lambda: Mine(Mine.Options()))`."""

from __future__ import annotations

import inspect
import io
import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from automation.contracts import Recommender, Snapshot, reason_texts
from automation.errors import BadArtifact, NotEnoughData
from automation.types.language import FALLBACK

if TYPE_CHECKING:
    import polars as pl

HEAVY = (
    "duckdb", "ibis", "lightgbm", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "sqlalchemy", "surprise",
    "torch",
)  # fmt: skip
"""What a plugin's module must not import at module level, since every start of the command line imports it."""

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
        model = self.make()
        model.fit(self.snapshot, seed=1, parts={})
        return model

    def ask(self, model: Recommender, *, k: int = 3, **changed: Any) -> pl.DataFrame:
        """Ask with some arguments changed, and check the answer's form."""
        asked: dict[str, Any] = {"allowed": self.allowed, "blocked": self.blocked, **changed}
        customers, history = asked.pop("customers", self.customers), asked.pop("history", self.history)
        answer = model.recommend(customers, history, k=k, **asked)
        check_recommendations(answer, customers, k=k, **asked)
        texts = reason_texts(model)
        if texts:
            unknown = sorted(set(answer["reason"]) - set(texts[FALLBACK]))
            require(not unknown, f"every reason needs a text in `reasons`; {unknown} have none")
        return answer


def check_recommender(make: Make, snapshot: Snapshot | None = None) -> None:
    """Raise `AssertionError`, saying which promise of `contracts.Recommender` is broken, or return.

    make: gives a new, unfitted recommender each time. snapshot: a shop that it can learn from; the toy shop if None.
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


def check_recommendations(
    answer: pl.DataFrame, customers: pl.Series, *, k: int, allowed: pl.Series, blocked: pl.DataFrame
) -> None:
    """The form of one answer: columns, dtypes, ids, at most k, only allowed, none blocked, no duplicate, no NaN."""
    import polars as pl

    text, listed = pl.String(), pl.List(pl.String())
    wanted = {"customer_id": text, "product_id": text, "score": pl.Float64(), "reason": text, "because": listed}
    require(dict(answer.schema) == wanted, f"the columns must be exactly {wanted}, are {dict(answer.schema)}")
    require(answer.null_count().sum_horizontal().sum() == 0, "no value may be null")
    require(bool(answer["score"].is_finite().all()), "every score must be a finite number")
    require(
        answer["because"].explode(empty_as_null=False).null_count() == 0, "`because` must list product ids, no nulls"
    )
    require(bool(answer["reason"].str.len_chars().gt(0).all()), "every recommendation needs a reason code")
    require(bool(answer["customer_id"].is_in(customers.implode()).all()), "only customers of the batch may be answered")
    require(bool(answer["product_id"].is_in(allowed.implode()).all()), "only allowed products may be recommended")
    pairs = answer.select("customer_id", "product_id")
    require(not pairs.is_duplicated().any(), "a product may be recommended to a customer only once")
    require(
        pairs.join(blocked, on=["customer_id", "product_id"], how="semi").is_empty(), "a blocked pair was recommended"
    )
    most = max(answer.group_by("customer_id").len()["len"].to_list(), default=0)
    require(most <= k, f"at most k = {k} products for each customer, found {most}")


def require(holds: bool, promise: str) -> None:
    """An assertion whose text survives outside of a test file."""
    if not holds:
        raise AssertionError(promise)


def _options_are_strict(case: Case) -> None:
    config = type(case.make()).Options.model_config
    require(bool(config.get("frozen")) and config.get("extra") == "forbid", 'Options must be frozen and extra="forbid"')


def _imports_nothing_heavy(case: Case) -> None:
    script = (
        "import importlib.util, json, sys\n"
        "path, file, heavy = json.loads(sys.argv[1])\n"
        "sys.path[:] = path\n"
        "spec = importlib.util.spec_from_file_location('looked_at', file)\n"
        "module = sys.modules['looked_at'] = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "print(json.dumps(sorted(set(heavy) & set(sys.modules))))\n"
    )
    asked = json.dumps([sys.path, inspect.getfile(type(case.make())), HEAVY])
    done = subprocess.run([sys.executable, "-c", script, asked], capture_output=True, text=True, check=False)  # noqa: S603
    require(done.returncode == 0, f"the module can't be imported by itself: {done.stderr}")
    require(
        json.loads(done.stdout) == [], f"the module imports {done.stdout.strip()} at module level; import it where used"
    )


def _fit_reports(case: Case) -> None:
    metrics = case.make().fit(case.snapshot, seed=1, parts={})
    numbers = all(type(value) is float and math.isfinite(value) for value in metrics.values())
    require(numbers, f"fit must return finite floats, returned {dict(metrics)}")


def _too_little_data_is_said(case: Case) -> None:
    nothing = {name: getattr(case.snapshot, name).limit(0) for name in ("events", "profiles")}
    try:
        case.make().fit(replace(case.snapshot, **nothing), seed=1, parts={})
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
    import numpy as np

    model = case.fitted()
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **model.save())
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    loaded = case.make()
    loaded.load(arrays, parts={})
    require(case.ask(loaded).equals(case.ask(model)), "a loaded model must answer exactly as the saved one")
    for name, array in arrays.items():
        _refuses(case, {other: kept for other, kept in arrays.items() if other != name}, f"without {name!r}")
        _refuses(case, arrays | {name: array.astype("U8")}, f"with text as {name!r}")


def _refuses(case: Case, arrays: Mapping[str, Any], how: str) -> None:
    try:
        case.make().load(arrays, parts={})
    except BadArtifact:
        return
    except Exception as error:
        raise AssertionError(f"load {how} must raise BadArtifact, raised {error!r}") from error
    raise AssertionError(f"load {how} must raise BadArtifact, and did not")


def _nothing_in_nothing_out(case: Case) -> None:
    model = case.fitted()
    empty = case.ask(model, customers=case.customers.clear(), history=case.history.clear())
    require(empty.is_empty(), "an empty batch must get an empty answer")
    require(case.ask(model, allowed=case.allowed.clear()).is_empty(), "without allowed products nothing may come back")
    case.ask(model, history=case.history.clear())
    case.ask(model, blocked=case.blocked.clear())


def _strangers_change_nothing(case: Case) -> None:
    import polars as pl

    model = case.fitted()
    stranger = pl.Series(case.customers.name, ["nobody the shop knows"])
    unknown = pl.Series(case.allowed.name, ["nothing the shop sells"])
    with_both = case.ask(
        model, customers=pl.concat([case.customers, stranger]), allowed=pl.concat([case.allowed, unknown])
    )
    others = with_both.filter(pl.col("customer_id") != stranger[0])
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
    _too_little_data_is_said,
    _answers_as_asked,
    _repeats_itself,
    _survives_saving,
    _nothing_in_nothing_out,
    _strangers_change_nothing,
    _order_does_not_matter,
)
