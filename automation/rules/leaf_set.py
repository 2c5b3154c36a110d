"""How the compiler evaluates a rule: as a test of the customer's own row, a tally of events, or a set of ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import ibis

from automation.contracts import ComplementRule, PredicateRule, Rule, Snapshot, Tally, TallyRule, tables_read
from automation.contracts.answers import check_matching
from automation.errors import ConfigurationError
from automation.plugin_manager import Registry
from automation.rules.tally import tally_events
from automation.types.condition import Leaf

if TYPE_CHECKING:
    import ibis.expr.types as ir

Identity = tuple[str, str]
"""A leaf's rule and options; equal leaves are evaluated once."""
IdSet = tuple["ir.Table", bool]
"""customer_id, and whether the ids are of the customers for whom the rule does not hold."""
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class LeafSet:
    """A leaf and its rule, evaluated by the cheapest of the rule's members."""

    leaf: Leaf
    rule: Rule

    def test(self, data: Snapshot, customers: ir.Table) -> ir.BooleanValue | None:
        """The rule as a test of `customers`, null for false; None if it needs more than the customer's own row."""
        rule = self.rule
        return self._ask(lambda: rule.predicate(data, customers)) if isinstance(rule, PredicateRule) else None

    def ids(self, data: Snapshot) -> IdSet:
        """The rule as a set of ids."""
        rule = self.rule
        others = self._ask(lambda: rule.complement_of(data)) if isinstance(rule, ComplementRule) else None
        found = others if others is not None else self._ask(lambda: rule.matching(data))
        check_matching(found, f"rule {self.leaf.key}")
        return found, others is not None

    def tally(self, data: Snapshot) -> Tally | None:
        """The rule as one aggregate over a customer's events of one type; None if that can't express it."""
        rule = self.rule
        return self._ask(lambda: rule.tally(data)) if isinstance(rule, TallyRule) else None

    @property
    def reads(self) -> frozenset[str]:
        """The snapshot's tables that the rule may read."""
        return tables_read(self.rule)

    @property
    def brings_rows(self) -> bool:
        """Whether the rule asks the tables itself, wherever they are, and returns its answer as local rows."""
        return getattr(self.rule, "brings_rows", False)

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.leaf.path}: {error}") from error


def leaf_identity(leaf: Leaf) -> Identity:
    """A key that is equal for leaves with the same rule and options."""
    return leaf.key, repr(leaf.options)


def build_leaf_sets(found: Sequence[Leaf], registry: Registry) -> dict[Identity, LeafSet]:
    """Every distinct leaf with its rule, in order of first appearance."""
    sets: dict[Identity, LeafSet] = {}
    for leaf in found:
        if leaf_identity(leaf) not in sets:
            sets[leaf_identity(leaf)] = LeafSet(leaf, registry.find("rules", leaf.key)(leaf.options))
    return sets


@dataclass(frozen=True)
class _Marking:
    """The leaves' columns, and the values that members must have."""

    data: Snapshot
    names: Mapping[Identity, str]
    required: Mapping[Identity, bool]


def mark_leaves(
    customers: ir.Table,
    sets: Mapping[Identity, LeafSet],
    data: Snapshot,
    required: Mapping[Identity, bool],
    *,
    kept: tuple[str, ...] = (),
) -> tuple[ir.Table, dict[Identity, Any]]:
    """`customer_id` and `kept` of customers with the `required` values; each leaf's value, as a column or a literal.

    A required leaf becomes a filter or a join, as in a query written by hand. Any other leaf becomes a Boolean column
    by `IN`, which gives one row for each customer even if a set repeats an id; an unknown result, because of a null in
    the set, counts as false.
    """
    marking = _Marking(data, {key: f"set_{n}" for n, key in enumerate(sets)}, required)
    people, tested = _mark_tests(customers, sets, marking, kept)
    rest = {key: one for key, one in sets.items() if key not in tested}
    passes = _group_tallies(rest, data)
    for together in passes:
        people = _mark_tallies(people, together, marking)
    tallied = frozenset().union(*passes)
    people = _mark_ids(people, {key: one.ids(data) for key, one in rest.items() if key not in tallied}, marking)
    values: dict[Identity, Any] = {key: people[marking.names[key]] for key in sets if key not in required}
    return people, {**values, **{key: ibis.literal(truth) for key, truth in required.items()}}


def _mark_tests(
    customers: ir.Table, sets: Mapping[Identity, LeafSet], marking: _Marking, kept: tuple[str, ...]
) -> tuple[ir.Table, frozenset[Identity]]:
    """The customers who pass the required tests, with a column for each other test; and the leaves that are tests."""
    required = marking.required
    tests = {key: test for key, one in sets.items() if (test := one.test(marking.data, customers)) is not None}
    # DuckDB pushes only a bare test down to the files, which avoids reading most ids.
    must = [tests[key] if truth else ~tests[key].fill_null(False) for key, truth in required.items() if key in tests]
    people = customers.filter(*must) if must else customers
    marks = {marking.names[key]: test.fill_null(False) for key, test in tests.items() if key not in required}
    if marks or not required:
        people = people.select("customer_id", *kept, **marks)
    return people, frozenset(tests)


def _mark_ids(people: ir.Table, ids: Mapping[Identity, IdSet], marking: _Marking) -> ir.Table:
    """The people who are in every required set, with a column for each of the other sets."""
    for key, (table, negated) in ids.items():
        if key in marking.required:
            join = people.semi_join if marking.required[key] != negated else people.anti_join
            people = join(table, "customer_id")
    marks = {marking.names[key]: _is_in(people, *ids[key]) for key in ids if key not in marking.required}
    return people.mutate(**marks) if marks else people


def _is_in(people: ir.Table, ids: ir.Table, negated: bool) -> ir.BooleanValue:
    held = people.customer_id.isin(ids.customer_id).fill_null(False)
    return ~held if negated else held


def _group_tallies(sets: Mapping[Identity, LeafSet], data: Snapshot) -> list[dict[Identity, Tally]]:
    """The leaves that one pass evaluates: two or more about the same type of event."""
    found: dict[str, dict[Identity, Tally]] = {}
    for key, one in sets.items():
        tally = one.tally(data)
        if tally is not None:
            found.setdefault(tally.event, {})[key] = tally
    return [together for together in found.values() if len(together) > 1]


def _mark_tallies(people: ir.Table, together: Mapping[Identity, Tally], marking: _Marking) -> ir.Table:
    """The people whose events pass the required tallies, with a column for each of the other tallies."""
    names, required = marking.names, marking.required
    grouped = tally_events([(names[key], tally) for key, tally in together.items()], marking.data)
    did = {names[key]: required[key] != tally.negated for key, tally in together.items() if key in required}
    if any(did.values()):
        met = grouped.filter(*(grouped[name] if truth else ~grouped[name] for name, truth in did.items()))
        people = people.semi_join(met, people.customer_id == met.tally_customer)
    elif did:
        unmet = grouped.filter(ibis.or_(*(grouped[name] for name in did)))
        people = people.anti_join(unmet, people.customer_id == unmet.tally_customer)
    asked = {names[key]: tally.negated for key, tally in together.items() if key not in required}
    if not asked:
        return people
    joined = people.left_join(grouped, people.customer_id == grouped.tally_customer)
    held = {name: grouped[name].fill_null(False) for name in asked}
    marks = {name: ~held[name] if negated else held[name] for name, negated in asked.items()}
    return joined.select(*(people[name] for name in people.columns), **marks)
