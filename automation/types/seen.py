"""What the data has ever held, for warnings about words that it has not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from automation.types.schema import ColumnType


@dataclass(frozen=True)
class SeenTrait:
    """A column: its type, and its distinct values where they are few (None where they are many)."""

    type: ColumnType
    values: frozenset[str | int | float | bool] | None = None


@dataclass(frozen=True)
class Seen:
    """The warehouse's event types, customer traits, and attributes of events or else of their products.

    No attributes at all means that they are not known.
    """

    event_types: frozenset[str] = frozenset()
    traits: Mapping[str, SeenTrait] = field(default_factory=dict)
    attributes: Mapping[str, SeenTrait] = field(default_factory=dict)
