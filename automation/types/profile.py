"""Customer profiles: the columns of `Snapshot.profiles`, the lifecycle's stages and their thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Literal, get_args

from pydantic import Field, model_validator

from automation.types.grammar import FileModel
from automation.types.quantity import Duration
from automation.types.schema import ColumnType

Stage = Literal["new", "active", "at_risk", "lapsed", "lost", "won_back", "never_bought"]
STAGES: tuple[Stage, ...] = get_args(Stage)

PROFILE_COLUMNS: Mapping[str, ColumnType] = {
    "customer_id": "text",
    "recency_days": "number",  # days since the last purchase
    "frequency": "integer",  # distinct UTC days with a purchase
    "monetary": "number",  # of all purchases, in the shop's currency; a missing amount counts as 0
    "monetary_winsorised": "number",  # limited to the 1 % and 99 % quantiles of all buyers, for scores and charts
    "first_purchase_at": "time",
    "last_purchase_at": "time",
    "average_basket": "number",  # of the orders with a known amount; without order ids a day is an order
    "lifetime_days": "number",  # since the first purchase
    "r_quintile": "integer",  # among buyers, 5 is best; equal values share a quintile
    "f_quintile": "integer",
    "m_quintile": "integer",
    "rfm": "text",  # the three quintiles: 555 is best
    "lifecycle": "text",  # one of STAGES, see Lifecycle
    "top_category": "text",  # with the most purchase lines; of equals the first by name
    "top_category_share": "number",  # 0 to 1, of the lines whose product has a category
    "top_brand": "text",
    "top_brand_share": "number",
    "discount_share": "number",  # 0 to 1, of the purchases whose discount is known
    "usual_discount": "number",  # 0 to 1, the median of the discounted purchases
    "usual_hour_buying": "integer",  # 0 to 23, of most orders, in the customer's own time; of equals the earliest
    "usual_weekday_buying": "integer",  # 1 is Monday
    "usual_hour_opening": "integer",  # of most email_open events
    "usual_weekday_opening": "integer",
    "email_open_rate": "number",  # opened messages among the sent; null without email_sent events
    "email_click_rate": "number",
    "outlier": "boolean",  # spending or basket beyond Tukey's outer fences on the log scale; from 30 buyers
}


class Lifecycle(FileModel):
    """The thresholds of the lifecycle's stages. Those not set follow from the shop's own times between purchases.

    These are the days between one purchase day of a customer and their next, over all customers; at_risk_after is their
    75 % quantile, lapsed_after 90 %, lost_after 98 %; with fewer than 30 such times 90, 180 and 365 days. Each is at
    least a day and at least the one before it.
    """

    new_for: Duration | None = Field(default=None, description="time after the first purchase; default: at_risk_after")
    at_risk_after: Duration | None = Field(default=None, description="time since the last purchase")
    lapsed_after: Duration | None = Field(default=None, description="time since the last purchase")
    lost_after: Duration | None = Field(default=None, description="time since the last purchase")

    @model_validator(mode="after")
    def _rises(self) -> Lifecycle:
        written = [(name, value) for name in RISING if (value := getattr(self, name)) is not None]
        for (lower, less), (higher, more) in pairwise(written):
            if less >= more:
                raise ValueError(f"`{higher}` must be longer than `{lower}`")
        if written and written[0][1] <= timedelta(0):
            raise ValueError(f"`{written[0][0]}` must be longer than 0")
        return self


RISING = ("at_risk_after", "lapsed_after", "lost_after")
