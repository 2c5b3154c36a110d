"""`trait`: a column of the customers' table."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from automation.contracts import Figure, Snapshot
from automation.errors import ConfigurationError
from automation.rules.attributes import Attribute, find_attribute
from automation.rules.comparison import compare
from automation.rules.local_time import list_birthdays, local_days
from automation.rules.operators import CustomerOperators, UpcomingDays
from automation.rules.value_figures import measure_value

if TYPE_CHECKING:
    import ibis.expr.types as ir


class TraitOptions(CustomerOperators):
    trait: str = Field(min_length=1)


class Trait:
    """A column of the customers' table, compared with exactly one operator.

        {trait: country, in: [DE, AT]}
        {trait: birthday, anniversary: {in_the_next: 7d}}
        {trait: email, matches: ".*@example[.](com|org)"}
        {trait: tags, contains_any: [vip, wholesale]}
        {trait: created_at, within: {in_the_last: 30d}}
        {trait: credit, at_least: 100 EUR}

    | operator | holds when the value |
    |---|---|
    | `is`, `is_not` | equals the value, or doesn't; upper and lower case are different |
    | `in`, `not_in` | is in the list, or isn't |
    | `at_least`, `at_most`, `more_than`, `less_than` | is a number of that size |
    | `between` | is a number or a date in the range, both ends included; a date `[20d, 40d]` ago |
    | `contains`, `starts_with`, `ends_with` | is a text with that part |
    | `matches` | is a text that the regular expression matches as a whole |
    | `contains_any`, `contains_all` | is a list, or a text of items separated by commas, that has any or all of these |
    | `exists` | is known (`true`) or missing (`false`) |
    | `before`, `after` | is a date or a point in time before or after that day |
    | `within` | lies `{in_the_last: 30d}` or `{in_the_next: 30d}`; for dates, today is the first day of both |
    | `older_than` | is longer ago: a date older than 30d is not `within: {in_the_last: 30d}` |
    | `anniversary` | is a date with its anniversary `today` or `{in_the_next: 7d}`, today included |

    A number is written as a plain number, as money (`100 EUR`; rows in another currency don't match), as a percentage
    (`20%` is 0.2) or, for columns named `…_days`, `…_hours`, `…_minutes` and `…_seconds`, as a duration (`30d`).
    Dates are written 2026-11-20. A date that is compared with a point in time means that whole day in the shop's time
    zone. An anniversary counts from the customer's local date (from the shop's if the time zone is unknown), and 29
    February is celebrated on 28 February in common years. `address.city` is the column `address_city`, or the field
    `city` of a column `address` where the database has such columns.
    A missing trait is never equal, greater or smaller; `is_not`, `not_in` and `exists: false` hold for it.
    """

    key: ClassVar[str] = "trait"
    reads: ClassVar[frozenset[str]] = frozenset({"customers"})

    Options: ClassVar[type[BaseModel]] = TraitOptions

    def __init__(self, options: TraitOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        """Raises `ConfigurationError` for an unknown trait, or one that the operator can't compare."""
        if self.options.anniversary is not None:
            attribute = find_attribute(data.customers, self.options.trait, "trait")
            return _celebrating(attribute, self.options.anniversary, data)
        return data.customers.filter(self.predicate(data, data.customers)).select("customer_id")

    def predicate(self, data: Snapshot, customers: ir.Table) -> ir.BooleanValue | None:
        """The rule as a test of `customers`, null for false; None if it needs more than the customer's own row."""
        if self.options.anniversary is not None:
            return None
        return compare(find_attribute(customers, self.options.trait, "trait"), self.options, data)

    def measure(self, data: Snapshot) -> list[Figure]:
        """The trait's value."""
        found = find_attribute(data.customers, self.options.trait, "trait")
        return [measure_value(data.customers, found.column, self.options.trait, self.options, data)]


def _celebrating(attribute: Attribute, when: UpcomingDays, data: Snapshot) -> ir.Table:
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
    # Zones are up to 26 hours apart, so a customer's date is at most two days from the shop's.
    conditions = [
        (born.today == home + timedelta(days=shift))
        & born.month_day.isin(
            sorted(100 * month + day for month, day in list_birthdays(home + timedelta(days=shift), count))
        )
        for shift in range(-2, 3)
    ]
    return born.filter(ibis.or_(*conditions)).select("customer_id")
