"""One rule as the compiler uses it: a test of the customer's own row, or a set of ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis

from automation.contracts import Rule, Snapshot
from automation.errors import ConfigurationError
from automation.plugin_manager import Registry
from automation.rules.tally import Tally, group_events
from automation.types.condition import Leaf

if TYPE_CHECKING:
    import ibis.expr.types as ir

TABLES = frozenset({"customers", "products", "events", "profiles", "decisions", "segments"})
Identity = tuple[str, str]
"""What a leaf says; leaves that say the same are asked once."""


@dataclass(frozen=True)
class LeafSet:
    """`rule.predicate`, or else the ids: those for whom it holds or, `negated`, the others.

    A rule may do without `predicate` and `complement_of`: both spare a join of all customers with themselves.
    """

    leaf: Leaf
    rule: Rule

    def test(self, data: Snapshot, customers: ir.Table) -> ir.BooleanValue | None:
        """The rule as a test of `customers`, null for false; None where it is a set."""
        predicate = getattr(self.rule, "predicate", None)
        return None if predicate is None else self._ask(predicate, data, customers)

    def ids(self, data: Snapshot) -> tuple[ir.Table, bool]:
        """The set, and whether it is of those for whom the rule does not hold."""
        complement = getattr(self.rule, "complement_of", None)
        others = None if complement is None else self._ask(complement, data)
        if others is not None:
            return others, True
        return self._ask(self.rule.matching, data), False

    def tally(self, data: Snapshot) -> Tally | None:
        """The rule as one test of a customer's events of one type; None where it is more."""
        found = getattr(self.rule, "tally", None)
        tally: Tally | None = None if found is None else self._ask(found, data)
        return tally

    @property
    def reads(self) -> frozenset[str]:
        """The Snapshot's tables that the rule may look at."""
        return frozenset(getattr(self.rule, "reads", TABLES))

    def _ask(self, question: Any, *about: Any) -> Any:
        try:
            return question(*about)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.leaf.path}: {error}") from error


def identity(leaf: Leaf) -> Identity:
    return leaf.key, repr(leaf.options)


def leaf_sets(found: Sequence[Leaf], registry: Registry) -> dict[Identity, LeafSet]:
    """Every different leaf with its rule, in the order in which they come first."""
    sets: dict[Identity, LeafSet] = {}
    for leaf in found:
        if identity(leaf) not in sets:
            sets[identity(leaf)] = LeafSet(leaf, registry.find("rules", leaf.key)(leaf.options))
    return sets


def mark(
    customers: ir.Table,
    sets: dict[Identity, LeafSet],
    data: Snapshot,
    required: dict[Identity, bool],
    *,
    kept: tuple[str, ...] = (),
) -> tuple[ir.Table, dict[Identity, Any]]:
    """`customer_id`, and `kept`, of those who meet what is `required`; every leaf's value as a column or a known truth.

    What must hold is a filter or a join, as one would write it by hand; what may hold is a mark: `IN` marks each
    customer once, whatever the set repeats, and what a null in the set leaves unknown counts as false.
    """
    tests = {key: test for key, one in sets.items() if (test := one.test(data, customers)) is not None}
    # Only a bare test is handed down to the files, where it spares reading most ids.
    must = [tests[key] if truth else ~tests[key].fill_null(False) for key, truth in required.items() if key in tests]
    names = {key: f"set_{n}" for n, key in enumerate(sets)}
    people = customers.filter(*must) if must else customers
    marks = {names[key]: tests[key].fill_null(False) for key in tests if key not in required}
    if marks or not required:
        people = people.select("customer_id", *kept, **marks)
    wanted = {key: one for key, one in sets.items() if key not in tests}
    passes = _passes(wanted, data)
    for one in passes:
        people = _passed(people, one, names, data, required)
    wanted = {key: one for key, one in wanted.items() if not any(key in one for one in passes)}
    ids = {key: one.ids(data) for key, one in wanted.items()}
    for key in wanted:
        if key in required:
            table, negated = ids[key]
            join = people.semi_join if required[key] != negated else people.anti_join
            people = join(table, "customer_id")
    marks = {names[key]: _marked(people, *ids[key]) for key in wanted if key not in required}
    people = people.mutate(**marks) if marks else people
    values: dict[Identity, Any] = {key: people[names[key]] for key in sets if key not in required}
    return people, {**values, **{key: ibis.literal(truth) for key, truth in required.items()}}


def _passes(wanted: dict[Identity, LeafSet], data: Snapshot) -> list[dict[Identity, Tally]]:
    """The leaves that are answered together: two or more about the same type of event."""
    found: dict[str, dict[Identity, Tally]] = {}
    for key, one in wanted.items():
        tally = one.tally(data)
        if tally is not None:
            found.setdefault(tally.event, {})[key] = tally
    return [together for together in found.values() if len(together) > 1]


def _passed(
    people: ir.Table,
    together: dict[Identity, Tally],
    names: dict[Identity, str],
    data: Snapshot,
    required: dict[Identity, bool],
) -> ir.Table:
    """Those who meet what is required of their events, with a mark for each of the other leaves."""
    grouped = group_events([(names[key], tally) for key, tally in together.items()], data)
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


def _marked(people: ir.Table, ids: ir.Table, negated: bool) -> ir.BooleanValue:
    held = people.customer_id.isin(ids.customer_id).fill_null(False)
    return ~held if negated else held
