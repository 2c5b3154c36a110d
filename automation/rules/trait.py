"""`trait`: what a customer is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from automation.contracts import Snapshot
from automation.errors import ConfigurationError
from automation.rules.attributes import Attribute, find_attribute, holds
from automation.rules.local_time import celebrated, local_days
from automation.rules.operators import CustomerOperators, Upcoming

if TYPE_CHECKING:
    import ibis.expr.types as ir


class TraitOptions(CustomerOperators):
    trait: str = Field(min_length=1)


class Trait:
    """A column of the customers' table, compared with exactly one operator.

        {trait: country, in: [DE, AT]}
        {trait: birthday, anniversary: {in_the_next: 7d}}

    Texts are compared letter by letter, upper and lower case told apart. Dates are written 2026-11-20; compared with a
    point in time, a date means that whole day in the shop's zone. An anniversary is seen from the customer's own today
    (from the shop's where the time zone is unknown), and 29 February is celebrated on 28 February in common years.
    A missing trait is never equal, greater or smaller; `is_not`, `not_in` and `exists: false` hold for it.
    """

    key: ClassVar[str] = "trait"

    Options: ClassVar[type[BaseModel]] = TraitOptions

    def __init__(self, options: TraitOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        """Raises `ConfigurationError` for an unknown trait, or one that the operator can't compare."""
        attribute = find_attribute(data.customers, self.options.trait, "trait")
        if self.options.anniversary is not None:
            return _celebrating(attribute, self.options.anniversary, data)
        return data.customers.filter(holds(attribute, self.options, data.timezone)).select("customer_id")


def _celebrating(attribute: Attribute, when: Upcoming, data: Snapshot) -> ir.Table:
    import ibis

    if attribute.kind != "date":
        raise ConfigurationError(f"{attribute.what} is not a date, so it has no anniversary")
    count = when.in_the_next // timedelta(days=1)
    home = data.today or data.as_of.astimezone(ZoneInfo(data.timezone)).date()
    born = data.customers.select("customer_id", zone="timezone", born=attribute.column)
    born = born.left_join(local_days(data), "zone")
    born = born.mutate(
        today=born.day.fill_null(ibis.literal(home)), month_day=born.born.month() * 100 + born.born.day()
    )
    # Zones lie up to 26 hours apart, so a customer's date is at most two days from the shop's.
    conditions = [
        (born.today == home + timedelta(days=shift))
        & born.month_day.isin(
            sorted(100 * month + day for month, day in celebrated(home + timedelta(days=shift), count))
        )
        for shift in range(-2, 3)
    ]
    return born.filter(ibis.or_(*conditions)).select("customer_id")
