"""Which event types, columns and values the data has, for warnings about those that it doesn't have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from automation.types.schema import ColumnType


@dataclass(frozen=True)
class SeenTrait:
    """A column: its type, and its distinct values; None if they are many or identify someone."""

    type: ColumnType
    values: frozenset[str | int | float | bool] | None = None


@dataclass(frozen=True)
class Seen:
    """The warehouse's event types, customer traits, and attributes of events or of their products.

    If there are no attributes at all, they are unknown.
    """

    event_types: frozenset[str] = frozenset()
    traits: Mapping[str, SeenTrait] = field(default_factory=dict)
    attributes: Mapping[str, SeenTrait] = field(default_factory=dict)
    currencies: frozenset[str] = frozenset()
    """Of amounts and prices."""
