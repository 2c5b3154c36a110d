"""Every way of breaking a contract in an answer is refused, and named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import ibis
import numpy as np
import polars as pl
import pytest
from pydantic import BaseModel

from automation.contracts import Options, answers
from automation.errors import ContractError
from automation.types.message import Receipt, Verdict

BATCH = pl.Series("customer_id", ["c1", "c2"])
TEXTS = pl.List(pl.String)


def refusal(check: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ContractError) as caught:
        check(*args, **kwargs)
    return str(caught.value)


Recommended = tuple[str | None, str | None, float | None, str | None, list[str | None] | None]
SOUND: list[Recommended] = [("c1", "p1", 0.5, "popular", []), ("c1", "p2", 0.25, "similar", ["p9"])]


def recommended(*rows: Recommended) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=answers.RECOMMENDATIONS, orient="row")


def ask(answer: object) -> str:
    blocked = pl.DataFrame({"customer_id": ["c2"], "product_id": ["p1"]})
    allowed = pl.Series("product_id", ["p1", "p2", "p3"])
    return refusal(answers.check_recommendations, answer, "recommender r", BATCH, k=2, allowed=allowed, blocked=blocked)


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([("c1", "p1", None, "popular", [])], "a missing value"),
        ([("c1", "p1", 0.5, "popular", None)], "a missing value"),
        ([("c1", "p1", 0.5, "popular", [None])], "a missing product in `because`"),
        ([("c1", "p1", 0.5, "", [])], "an empty reason code"),
        ([("c1", "p1", float("nan"), "popular", [])], "a score that is not a finite number"),
        ([*SOUND, ("c1", "p1", 0.1, "popular", [])], "a product twice for one customer"),
        ([*SOUND, ("c1", "p3", 0.1, "popular", [])], "more than 2 products for a customer"),
        ([("c3", "p1", 0.5, "popular", [])], "a customer who was not asked about"),
        ([("c1", "p4", 0.5, "popular", [])], "a product that is not allowed"),
        ([("c2", "p1", 0.5, "popular", [])], "a blocked product"),
    ],
)
def test_recommendations(rows: list[Recommended], what: str) -> None:
    assert ask(recommended(*rows)) == f"recommender r returned {what}"


def test_recommendations_of_other_columns_or_none_at_all() -> None:
    sound = recommended(*SOUND)
    wanted = "customer_id String, product_id String, score Float64, reason String, because List(String)"
    assert ask(sound.drop("because")) == (
        "recommender r returned the columns customer_id String, product_id String, score Float64, reason String, "
        f"not {wanted}"
    )
    assert ask(sound.with_columns(pl.col("score").cast(pl.Float32))).startswith("recommender r returned the columns")
    assert ask(None) == "recommender r returned NoneType, not a Polars frame"


def test_sound_and_empty_recommendations_pass() -> None:
    allowed, blocked = pl.Series("product_id", ["p1", "p2"]), recommended().select("customer_id", "product_id")
    for answer in (recommended(*SOUND), recommended()):
        answers.check_recommendations(answer, "r", BATCH, k=2, allowed=allowed, blocked=blocked)


Chosen = tuple[str, str, float | None, float, float]
FAIR: list[Chosen] = [
    (customer, offer, share, 0.0, 1.0) for customer in ("c1", "c2") for offer, share in (("x", 0.25), ("none", 0.75))
]


def choices(*rows: Chosen) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=answers.CHOICES, orient="row")


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([("c1", "x", None, 0.0, 0.0)], "a missing value"),
        ([*FAIR[:3], ("c2", "none", 0.75, 0.0, float("inf"))], "a number that is not finite"),
        ([*FAIR, ("c1", "y", 0.0, 0.0, 0.0)], "an offer that it was not given"),
        ([*FAIR, FAIR[0]], "a customer and offer twice"),
        ([*FAIR[:2], ("c2", "x", 1.5, 0.0, 0.0), ("c2", "none", -0.5, 0.0, 0.0)], "a probability outside 0 to 1"),
        ([*FAIR[:3], ("c2", "none", 0.749, 0.0, 0.0)], "probabilities that do not sum to 1"),
        (FAIR[:2], "not exactly the batch's customers"),
        ([*FAIR[:2], ("c2", "x", 1.0, 0.0, 0.0)], "no probability for some customer and offer"),
    ],
)
def test_choices(rows: list[Chosen], what: str) -> None:
    offers = pl.Series("offer", ["x", "none"])
    told = refusal(answers.check_choices, choices(*rows), "offer policy o", BATCH, offers)
    assert told == f"offer policy o returned {what}"


def test_fair_choices_pass() -> None:
    answers.check_choices(choices(*FAIR), "o", BATCH, pl.Series("offer", ["x", "none"]))
    answers.check_choices(choices(), "o", BATCH.clear(), pl.Series("offer", ["x", "none"]))


def test_plans() -> None:
    answers.check_plan({"multiplier": 0.5, "caps": [1, 2], "of": {"x": None}}, "o")
    assert "a plan that JSON can't hold" in refusal(answers.check_plan, {"at": datetime(2026, 1, 1, tzinfo=UTC)}, "o")
    assert "a plan that JSON can't hold" in refusal(answers.check_plan, {"multiplier": float("nan")}, "o")
    assert refusal(answers.check_plan, {1: "x"}, "o").startswith("o returned a plan that JSON changes")


Member = tuple[str | None, str | None, float | None, list[str | None] | None]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ((None, None, 0.5, []), "a missing customer_id"),
        (("c1", None, float("inf"), []), "a score that is not a finite number"),
        (("c1", None, 0.5, None), "missing reasons (return an empty list)"),
        (("c1", None, 0.5, ["a", "b", "c", "d"]), "more than 3 reasons for a customer"),
        (("c1", None, 0.5, ["a", None]), "a missing reason"),
    ],
)
def test_members(row: Member, what: str) -> None:
    frame = pl.DataFrame([row], schema=answers.MEMBERS, orient="row")
    assert refusal(answers.check_members, frame, "segmenter s") == f"segmenter s returned {what}"


def test_a_frame_of_members_has_a_limit() -> None:
    frame = pl.DataFrame([("c1", None, None, [])], schema=answers.MEMBERS, orient="row")
    answers.check_members(pl.concat([frame] * 50_000), "segmenter s")
    many = refusal(answers.check_members, pl.concat([frame] * 50_001), "segmenter s")
    assert many == "segmenter s returned a frame of 50001 rows; 50000 are allowed"


def test_matching() -> None:
    customers = ibis.memtable(pl.DataFrame({"customer_id": ["c1"], "points": [1.0]}))
    answers.check_matching(customers.select("customer_id"), "rule r")
    assert refusal(answers.check_matching, customers, "rule r") == (
        "rule r returned the columns customer_id string, points float64, not customer_id String alone"
    )
    assert refusal(answers.check_matching, customers.select(customer_id="points"), "rule r") == (
        "rule r returned the columns customer_id float64, not customer_id String alone"
    )
    eager = refusal(answers.check_matching, pl.DataFrame(), "rule r")
    assert eager == "rule r returned DataFrame, not a lazy Ibis table"


class Refusing:
    """A suppression that answers with the given rows."""

    Options: ClassVar[type[BaseModel]] = Options
    codes: ClassVar[Mapping[str, str]] = {"strike": "the post is on strike"}

    def __init__(self, *rows: tuple[str | None, str | None, str | None]) -> None:
        self.rows = rows

    def refuse(self, batch: pl.DataFrame, *, at: datetime, moment: str) -> pl.DataFrame:
        return pl.DataFrame(list(self.rows), schema=answers.REFUSALS, orient="row")


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([("c1", "strike", None)], "a missing value"),
        ([("c1", "boring", "x")], "codes that it does not declare: ['boring']"),
        ([("c1", "strike", "x"), ("c1", "strike", "y")], "a customer twice"),
        ([("c9", "strike", "x")], "a customer who was not asked about"),
    ],
)
def test_refusals(rows: list[Any], what: str) -> None:
    suppression: Any = Refusing(*rows)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    told = refusal(answers.ask_suppression, BATCH.to_frame(), suppression, at=at, moment="decide")
    assert told == f"suppression Refusing returned {what}"


def test_rows() -> None:
    sound = pl.DataFrame({"_row": [1, 2], "id": ["a", "b"], "price": [1.0, None], "day": [None, None]})
    sound = sound.with_columns(pl.col("day").cast(pl.Date))
    answers.check_rows(sound, "source s")
    assert refusal(answers.check_rows, sound.clear(), "source s") == (
        "source s returned a frame of 0 rows; 1 to 100000 are allowed"
    )
    assert refusal(answers.check_rows, sound.drop("_row"), "source s") == "source s returned no _row Int64"
    assert refusal(answers.check_rows, sound.with_columns(pl.col("price").cast(pl.Float32)), "source s") == (
        "source s returned columns of types that a source does not give: ['price']"
    )


def test_metrics() -> None:
    assert answers.check_metrics({"auc": np.float64(0.5), "customers": 3}, "m") == {"auc": 0.5, "customers": 3.0}
    wrong: Any = {"a": float("nan"), "b": None, "c": True, "d": 0.5}
    assert refusal(answers.check_metrics, wrong, "m") == "m: fit() returned a, b, c, not a finite number"


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"detail": "x" * 201}, "a detail of 201 characters; 200 are allowed"),
        ({"detail": "to ana@example.org"}, "a detail that holds the address"),
        ({"detail": "one\ntwo"}, "a detail that is not one printable line"),
        ({"suppress": "bored"}, "suppress 'bored'"),
        ({"verdict": Verdict.SENT, "suppress": "hard_bounce"}, "suppress without FAILED"),
        ({"retry_after": timedelta(1)}, "retry_after without RETRY or RETURNED"),
        ({"verdict": Verdict.RETRY, "retry_after": timedelta(-1)}, "a negative retry_after"),
    ],
)
def test_receipts(changed: dict[str, Any], what: str) -> None:
    receipt = Receipt("m1", 1, **{"verdict": Verdict.FAILED, **changed})
    told = refusal(answers.check_receipt, receipt, "channel c", to="ana@example.org")
    assert told.startswith(f"channel c returned {what}")
