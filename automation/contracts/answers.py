"""What components answer, held to their contracts; the same checks for runs and for the contract suites."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from automation.contracts.suppression import Suppression
from automation.errors import ContractError

if TYPE_CHECKING:
    import polars as pl


def check_refusals(
    batch: pl.DataFrame, suppression: Suppression, *, at: datetime, moment: Literal["decide", "send"]
) -> pl.DataFrame:
    """A suppression plugin's answer, held to its contract: customer_id, code, detail."""
    import polars as pl

    answer = suppression.refuse(batch, at=at, moment=moment)
    name = f"{type(suppression).__name__}.refuse"
    if answer.schema != {"customer_id": pl.String, "code": pl.String, "detail": pl.String}:
        raise ContractError(f"{name}: columns must be customer_id, code, detail as String")
    unknown = set(answer["code"]) - set(suppression.codes)
    if unknown or answer["customer_id"].is_duplicated().any():
        what = f"codes that it does not declare: {sorted(unknown)}" if unknown else "a customer twice"
        raise ContractError(f"{name}: {what}")
    return answer
