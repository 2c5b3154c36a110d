"""A condition of an audience."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from automation.contracts.component import Component
from automation.contracts.snapshot import Snapshot

if TYPE_CHECKING:
    import ibis.expr.types as ir


@runtime_checkable
class Rule(Component, Protocol):
    """A condition's leaf. Its options model validates the whole mapping as written, `key` included."""

    key: ClassVar[str]

    def matching(self, data: Snapshot) -> ir.Table:
        """The customers that it holds for: one column customer_id, distinct, non-null, lazy."""
        ...
