"""What components answer, checked against their contracts: the same checks in runs and in the contract suites.

`who` names the component in an error, such as "recommender similar". Every check raises `ContractError`: an answer that
breaks its contract fails the batch whole and is never repaired.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn

import polars as pl

from automation.contracts.suppression import Suppression
from automation.errors import ContractError
from automation.types.message import Receipt, Verdict

MOST_MEMBERS = 50_000
"""Rows of one frame of a segmenter."""
MOST_ROWS = 100_000
"""Rows of one frame of a source."""
MOST_REASONS = 3
LONGEST_DETAIL = 200
SUPPRESSES = ("", "hard_bounce", "complaint", "unsubscribed", "dead_token")
"""What a receipt's `suppress` may be."""

_TEXT, _NUMBER, _TEXTS = pl.String(), pl.Float64(), pl.List(pl.String())
RECOMMENDATIONS = {
    "customer_id": _TEXT,
    "product_id": _TEXT,
    "score": _NUMBER,
    "reason": _TEXT,
    "because": _TEXTS,
}
CHOICES = {
    "customer_id": _TEXT,
    "offer": _TEXT,
    "probability": _NUMBER,
    "expected_value": _NUMBER,
    "expected_cost": _NUMBER,
}
MEMBERS = {"customer_id": _TEXT, "label": _TEXT, "score": _NUMBER, "reasons": _TEXTS}
REFUSALS = {"customer_id": _TEXT, "code": _TEXT, "detail": _TEXT}
_SOURCE_TYPES = (_TEXT, _NUMBER, pl.Boolean(), pl.Date(), pl.Datetime("us"), pl.Datetime("us", "UTC"))
_ARRAY_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_ARRAY_KINDS = "biufcmM"


def check_recommendations(
    answer: pl.DataFrame, who: str, customers: pl.Series, *, k: int, allowed: pl.Series, blocked: pl.DataFrame
) -> None:
    """A recommender's answer to `recommend(customers, …)`."""
    _check_columns(answer, RECOMMENDATIONS, who)
    pairs = answer.select("customer_id", "product_id")
    problems = {
        "a missing value": _has_nulls(answer),
        "a missing product in `because`": answer["because"].explode(empty_as_null=False).null_count() > 0,
        "an empty reason code": (answer["reason"] == "").any(),
        "a score that is not a finite number": not answer["score"].is_finite().all(),
        "a customer who was not asked about": not answer["customer_id"].is_in(customers.implode()).all(),
        "a product that is not allowed": not answer["product_id"].is_in(allowed.implode()).all(),
        "a product twice for one customer": pairs.is_duplicated().any(),
        f"more than {k} products for a customer": (answer.group_by("customer_id").len()["len"] > k).any(),
        "a blocked product": pairs.join(blocked, on=["customer_id", "product_id"], how="semi").height > 0,
    }
    _refuse_any(problems, who)


def check_choices(answer: pl.DataFrame, who: str, customers: pl.Series, offers: pl.Series) -> None:
    """An offer policy's answer to `choose`: a probability for every customer × offer."""
    _check_columns(answer, CHOICES, who)
    sums = answer.group_by("customer_id").agg(pl.col("probability").sum())
    problems = {
        "a missing value": _has_nulls(answer),
        "a number that is not finite": not all(answer[name].is_finite().all() for name in list(CHOICES)[2:]),
        "an offer that it was not given": not answer["offer"].is_in(offers.implode()).all(),
        "a customer and offer twice": answer.select("customer_id", "offer").is_duplicated().any(),
        "a probability outside 0 to 1": not answer["probability"].is_between(0, 1).all(),
        "probabilities that do not sum to 1": ((sums["probability"] - 1).abs() > 1e-9).any(),
        "not exactly the batch's customers": set(sums["customer_id"]) != set(customers),
        "no probability for some customer and offer": len(answer) != len(sums) * len(offers),
    }
    _refuse_any(problems, who)


def check_plan(plan: Mapping[str, Any], who: str) -> None:
    """An offer policy's plan: a mapping that JSON can hold."""
    try:
        kept = json.loads(json.dumps(dict(plan), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ContractError(f"{who} returned a plan that JSON can't hold: {error}") from error
    if kept != plan:
        _refuse(who, "a plan that JSON changes; use text keys, lists and plain numbers")


def check_members(frame: pl.DataFrame, who: str) -> None:
    """One frame of a segmenter's members. That no customer comes twice shows only once all frames are there."""
    _check_columns(frame, MEMBERS, who)
    reasons = frame["reasons"]
    problems = {
        f"a frame of {len(frame)} rows; {MOST_MEMBERS} are allowed": len(frame) > MOST_MEMBERS,
        "a missing customer_id": frame["customer_id"].null_count() > 0,
        "a score that is not a finite number": not frame["score"].drop_nulls().is_finite().all(),
        "missing reasons (return an empty list)": reasons.null_count() > 0,
        f"more than {MOST_REASONS} reasons for a customer": (reasons.list.len() > MOST_REASONS).any(),
        "a missing reason": reasons.explode(empty_as_null=False).null_count() > 0,
    }
    _refuse_any(problems, who)


def check_matching(table: object, who: str) -> None:
    """A rule's set of customers, without running it: one column customer_id, text."""
    import ibis.expr.types as ir

    if not isinstance(table, ir.Table):
        _refuse(who, f"{type(table).__name__}, not a lazy Ibis table")
    columns = dict(table.schema().items())
    if list(columns) != ["customer_id"] or not columns["customer_id"].is_string():
        _refuse(who, f"the columns {_spell(columns)}, not customer_id String alone")


def ask_suppression(
    batch: pl.DataFrame, suppression: Suppression, *, at: datetime, moment: Literal["decide", "send"]
) -> pl.DataFrame:
    """The checked answer of a suppression plugin: customer_id, code, detail."""
    answer = suppression.refuse(batch, at=at, moment=moment)
    who = f"suppression {type(suppression).__name__}"
    _check_columns(answer, REFUSALS, who)
    unknown = answer.filter(~pl.col("code").is_in(list(suppression.codes)))["code"].unique().sort().to_list()
    problems = {
        "a missing value": _has_nulls(answer),
        f"codes that it does not declare: {unknown}": bool(unknown),
        "a customer twice": answer["customer_id"].is_duplicated().any(),
        "a customer who was not asked about": not answer["customer_id"].is_in(batch["customer_id"].implode()).all(),
    }
    _refuse_any(problems, who)
    return answer


def check_rows(frame: pl.DataFrame, who: str) -> None:
    """One frame of a source: its size, its column types and its row numbers."""
    wrong = [name for name, dtype in frame.schema.items() if dtype not in _SOURCE_TYPES and not dtype.is_integer()]
    problems = {
        f"a frame of {len(frame)} rows; 1 to {MOST_ROWS} are allowed": not 1 <= len(frame) <= MOST_ROWS,
        "no _row Int64": frame.schema.get("_row") != pl.Int64(),
        f"columns of types that a source does not give: {wrong}": bool(wrong),
    }
    _refuse_any(problems, who)


def check_metrics(metrics: Mapping[str, float], who: str) -> dict[str, float]:
    """A model's metrics as plain floats; every one must be a finite number."""
    bad = sorted(name for name, value in metrics.items() if not _is_finite(value))
    if bad:
        raise ContractError(f"{who}: fit() returned {', '.join(bad)}, not a finite number")
    return {name: float(value) for name, value in metrics.items()}


def check_arrays(arrays: Mapping[str, Any], who: str) -> None:
    """A model's arrays: plain names and plain numbers, so that nothing has to be unpickled."""
    for name, array in arrays.items():
        if not _ARRAY_NAME.fullmatch(name):
            raise ContractError(f"{who}: save() returned an array called {name!r}; use letters, digits, _ - and .")
        dtype = getattr(array, "dtype", None)
        if dtype is None or dtype.kind not in _ARRAY_KINDS:
            found = dtype or type(array).__name__
            raise ContractError(f"{who}: save() returned {name!r} as {found}; return numbers, text as uint8")


def is_array_name(name: str) -> bool:
    """Whether a model's array may have this name."""
    return _ARRAY_NAME.fullmatch(name) is not None


def check_receipt(receipt: Receipt, who: str, *, to: str) -> None:
    """A channel's receipt for a message to the address `to`."""
    again = receipt.verdict in (Verdict.RETRY, Verdict.RETURNED)
    wait = receipt.retry_after
    problems = {
        f"a detail of {len(receipt.detail)} characters; {LONGEST_DETAIL} are allowed": (
            len(receipt.detail) > LONGEST_DETAIL
        ),
        "a detail that holds the address": to in receipt.detail,
        "a detail that is not one printable line": not receipt.detail.isprintable(),
        f"suppress {receipt.suppress!r}; it must be empty or one of {', '.join(SUPPRESSES[1:])}": (
            receipt.suppress not in SUPPRESSES
        ),
        "suppress without FAILED": bool(receipt.suppress) and receipt.verdict is not Verdict.FAILED,
        "retry_after without RETRY or RETURNED": wait is not None and not again,
        "a negative retry_after": wait is not None and wait < timedelta(0),
    }
    _refuse_any(problems, who)


def _check_columns(answer: pl.DataFrame, wanted: Mapping[str, pl.DataType], who: str) -> None:
    if not isinstance(answer, pl.DataFrame):
        _refuse(who, f"{type(answer).__name__}, not a Polars frame")
    if dict(answer.schema) != wanted:
        _refuse(who, f"the columns {_spell(answer.schema)}, not {_spell(wanted)}")


def _spell(columns: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {dtype}" for name, dtype in columns.items())


def _has_nulls(answer: pl.DataFrame) -> bool:
    return bool(answer.null_count().sum_horizontal().item())


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _refuse_any(problems: Mapping[str, object], who: str) -> None:
    for what, wrong in problems.items():
        if wrong:
            _refuse(who, what)


def _refuse(who: str, what: str) -> NoReturn:
    raise ContractError(f"{who} returned {what}")
