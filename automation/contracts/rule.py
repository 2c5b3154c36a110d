"""A condition of an audience."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from automation.contracts.component import Component
from automation.contracts.snapshot import TABLES, Snapshot
from automation.types.query import WrittenQuery

if TYPE_CHECKING:
    import ibis.expr.types as ir


@runtime_checkable
class Rule(Component, Protocol):
    """One condition of an audience. Its options model validates the whole mapping as written, `key` included."""

    key: ClassVar[str]

    def matching(self, data: Snapshot) -> ir.Table:
        """The customers that the rule holds for: one column, customer_id String, distinct, without nulls, lazy.

        Ids that no customer has are ignored. Raises `ConfigurationError` for options that do not fit the data.
        """
        ...


@runtime_checkable
class PredicateRule(Rule, Protocol):
    """Optional: a rule that the customer's own row decides, which spares a join of all customers with themselves."""

    def predicate(self, data: Snapshot, customers: ir.Table) -> ir.BooleanValue | None:
        """The rule as a test of `customers`, null for false; None where it needs more than the customer's own row."""
        ...


@runtime_checkable
class ComplementRule(Rule, Protocol):
    """Optional: a rule that names those for whom it does not hold more cheaply than the others."""

    def complement_of(self, data: Snapshot) -> ir.Table | None:
        """The customers that the rule does not hold for, as `matching` returns them; None to use `matching`."""
        ...


@dataclass(frozen=True)
class Tally:
    """A rule as one Boolean aggregate over a customer's events of one type.

    event: the type. start, end: the half-open span in UTC outside of which no event counts; None where it is open.
    holds: makes the aggregate, null for false, from the table of these events. negated: the rule holds for the
    customers for whom the aggregate is false, those without such an event among them.
    """

    event: str
    start: datetime | None
    end: datetime | None
    holds: Callable[[ir.Table], Any]
    negated: bool = False


@runtime_checkable
class TallyRule(Rule, Protocol):
    """Optional: a rule about one type of event; several rules about the same type are answered in one pass."""

    def tally(self, data: Snapshot) -> Tally | None:
        """The rule as an aggregate over a customer's events; None where one aggregate can't express it."""
        ...


@dataclass(frozen=True)
class Figure:
    """What a customer has of what a rule looks at, in words, for `explain`.

    has: `1`, `312.00 EUR`, `never`. needs: what the rule compares it with, `at least 2`; empty if the rule's text shows
    it. what: what is compared, `sum`; empty where the rule looks at one thing only.
    """

    has: str
    needs: str = ""
    what: str = ""


@runtime_checkable
class MeasuringRule(Rule, Protocol):
    """Optional: a rule that shows its figures for one customer."""

    def measure(self, data: Snapshot) -> Sequence[Figure]:
        """What the customer has, whether or not the rule holds. Raises `ConfigurationError` as `matching` does.

        data: a snapshot whose customers, events, profiles, decisions and segments have the rows of one customer only.
        """
        ...


@runtime_checkable
class ComparingRule(Rule, Protocol):
    """Optional: a rule that may compare customers with each other, as for the fifth with the highest scores."""

    @property
    def compares(self) -> bool:
        """Whether it does with these options; `measure` is not asked then, because it sees one customer only."""
        ...

    def place(self, data: Snapshot, customer_id: str) -> Sequence[Figure]:
        """The customer's place among all customers of `data`."""
        ...


@runtime_checkable
class ReadsTables(Rule, Protocol):
    """Optional: a rule that states which tables of the snapshot it reads; without `reads` it may read all of them."""

    reads: ClassVar[frozenset[str]]


@runtime_checkable
class NamesCondition(Protocol):
    """Optional: the options of a rule that names one of config.yaml's `conditions`."""

    def resolved(self, queries: Mapping[str, WrittenQuery]) -> BaseModel:
        """The options with the condition's SQL. queries: by name, which is checked before."""
        ...


def tables_read(rule: object) -> frozenset[str]:
    """The tables of the snapshot that the rule (its class or an instance) may read, of `TABLES`."""
    return frozenset(rule.reads) if isinstance(rule, ReadsTables) else TABLES
