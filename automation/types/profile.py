"""Customer profiles: the columns of `Snapshot.profiles`, the lifecycle's stages and their thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Literal, get_args

from pydantic import Field, model_validator

from automation import event_types
from automation.types.grammar import FileModel
from automation.types.quantity import Duration
from automation.types.schema import ColumnType

Stage = Literal["new", "active", "at_risk", "lapsed", "lost", "won_back", "never_bought"]
STAGES: tuple[Stage, ...] = get_args(Stage)

PROFILE_COLUMNS: Mapping[str, ColumnType] = {
    "customer_id": "text",
    "recency_days": "number",
    "frequency": "integer",
    "orders": "integer",
    "monetary": "number",
    "monetary_winsorised": "number",
    "first_purchase_at": "time",
    "last_purchase_at": "time",
    "average_basket": "number",
    "lifetime_days": "number",
    "r_quintile": "integer",
    "f_quintile": "integer",
    "m_quintile": "integer",
    "rfm": "text",
    "lifecycle": "text",
    "top_category": "text",
    "top_category_share": "number",
    "top_brand": "text",
    "top_brand_share": "number",
    "discount_share": "number",
    "usual_discount": "number",
    "usual_hour_buying": "integer",
    "usual_weekday_buying": "integer",
    "usual_hour_opening": "integer",
    "usual_weekday_opening": "integer",
    "email_open_rate": "number",
    "email_click_rate": "number",
    "outlier": "boolean",
}
PROFILE_MEANINGS: Mapping[str, str] = {
    "recency_days": "days since the last purchase",
    "frequency": "days (UTC) with a purchase",
    "orders": "orders; without order ids a day is an order",
    "monetary": "sum of all purchases, in the shop's currency; a missing amount counts as 0",
    "monetary_winsorised": "the same, limited to the 1 % and 99 % quantiles of all buyers, for scores and charts",
    "first_purchase_at": "time of the first purchase",
    "last_purchase_at": "time of the last purchase",
    "average_basket": "average amount of an order, of those with a known amount",
    "lifetime_days": "days since the first purchase",
    "r_quintile": "recency among all buyers, 1 to 5: 5 is best, and equal values share a quintile",
    "f_quintile": "frequency among all buyers, 1 to 5",
    "m_quintile": "money spent among all buyers, 1 to 5",
    "rfm": "the three quintiles, such as 555, the best",
    "lifecycle": f"stage of the lifecycle: {', '.join(STAGES)}",
    "top_category": "category of most purchases; of equals the first by name",
    "top_category_share": "its share of the purchases whose product has a category, 0 to 1",
    "top_brand": "brand of most purchases; of equals the first by name",
    "top_brand_share": "its share of the purchases whose product has a brand, 0 to 1",
    "discount_share": "share of the purchases that had a discount, 0 to 1, of those whose discount is known",
    "usual_discount": "median of the discounts, 0 to 1, of the discounted purchases",
    "usual_hour_buying": "hour of most orders, 0 to 23, in the customer's own time; of equals the earliest",
    "usual_weekday_buying": "weekday of most orders, 1 (Monday) to 7",
    "usual_hour_opening": "hour of most opened e-mails, 0 to 23",
    "usual_weekday_opening": "weekday of most opened e-mails, 1 (Monday) to 7",
    "email_open_rate": "share of the sent messages that were opened; empty without `email_sent` events",
    "email_click_rate": "share of the sent messages that were clicked",
    "outlier": "spends far more than others: beyond Tukey's outer fences on the log scale, from 30 buyers",
}
"""What each column but the id means, for people."""
_BUYING = (event_types.PURCHASE,)
_OPENING = (event_types.EMAIL_OPEN,)
PROFILE_EVENTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(PROFILE_MEANINGS, _BUYING),
    **dict.fromkeys(("usual_hour_opening", "usual_weekday_opening"), _OPENING),
    "email_open_rate": (event_types.EMAIL_SENT, event_types.EMAIL_OPEN),
    "email_click_rate": (event_types.EMAIL_SENT, event_types.EMAIL_CLICK, event_types.CLICK),
}
"""The types of events that each column is computed from."""
ALWAYS_KNOWN = frozenset({"lifecycle", "outlier"})
"""The columns that every customer has a value of; the others are empty for those who never bought or opened."""


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
