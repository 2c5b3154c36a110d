"""What the texts of a campaign show of each customer beside the traits."""

from __future__ import annotations

from dataclasses import dataclass

PROFILE, LAST_ORDER = "profile", "last_order"
LINES = "lines"
"""The field of `LAST_ORDER` that lists its products."""


@dataclass(frozen=True)
class ShownValues:
    """The fields of the profile and of the last order, in the order of the alphabet; none where texts use none."""

    profile: tuple[str, ...] = ()
    last_order: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.profile or self.last_order)


NOTHING = ShownValues()
