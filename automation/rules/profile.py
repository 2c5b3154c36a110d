"""`profile`: features derived from a customer's behaviour."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from automation.contracts import Figure, Snapshot
from automation.rules.attributes import find_attribute
from automation.rules.comparison import compare
from automation.rules.operators import Operators
from automation.rules.value_figures import measure_value

if TYPE_CHECKING:
    import ibis.expr.types as ir


class ProfileOptions(Operators):
    profile: str = Field(min_length=1)


class Profile:
    """A feature derived from behaviour, compared with exactly one operator.

        {profile: monetary, at_least: 100}
        {profile: lifecycle, in: [at_risk, lapsed]}
        {profile: recency_days, at_most: 30d}

    Every column of the profiles is a field: what and when a customer buys (`recency_days`, `frequency`, `orders`,
    `monetary`, `average_basket`, `lifecycle`, `rfm` …), what they prefer (`top_category`, `top_brand` …), and
    how they respond.
    Shares are written as percentages (`at_least: 20%`); amounts are in the shop's currency.
    A missing field is never greater or smaller; only `exists: false` holds for it.
    """

    key: ClassVar[str] = "profile"
    reads: ClassVar[frozenset[str]] = frozenset({"customers", "profiles"})

    Options: ClassVar[type[BaseModel]] = ProfileOptions

    def __init__(self, options: ProfileOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        """Raises `ConfigurationError` for an unknown field, or one that the operator can't compare."""
        found = find_attribute(data.profiles, self.options.profile, "profile field")
        fields = data.profiles.select("customer_id", field=found.column)
        profiled = data.customers.select("customer_id").left_join(fields, "customer_id")
        attribute = replace(found, column=profiled.field, currency=None)
        return profiled.filter(compare(attribute, self.options, data)).select("customer_id")

    def measure(self, data: Snapshot) -> list[Figure]:
        """The field's value."""
        found = find_attribute(data.profiles, self.options.profile, "profile field")
        return [measure_value(data.profiles, found.column, self.options.profile, self.options, data)]
