"""What every rule must do, as one call: `check_rule(MyRule, {"my_key": 3}, expected={"c1", "c4"})`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from automation.contracts import ComplementRule, Figure, MeasuringRule, PredicateRule, Rule, Snapshot, TallyRule
from automation.contracts.answers import check_matching
from automation.testing.promises import check_light_import, check_options, keep, require
from automation.testing.toy_shop import toy_snapshot

if TYPE_CHECKING:
    import ibis.expr.types as ir


def check_rule(
    rule: type[Rule], written: Mapping[str, Any], *, expected: Collection[str], data: Snapshot | None = None
) -> None:
    """Assert the contract of `automation.contracts.Rule`.

    written: the whole mapping as in the YAML file, the rule's key included.
    expected: the customer ids that it must match, among those of `data` (the toy shop if None).

    Checked: options are frozen and strict; the module imports nothing heavy; the set is one column of distinct,
    non-null ids, the same when asked again; `predicate`, `complement_of` and `tally`, where the rule has them, agree
    with it; `measure` gives figures for a customer that it matches and for one that it does not; a shop without
    customers and events, and an instant ten years earlier, raise nothing. Raises AssertionError, saying which of these
    is broken.
    """
    data = toy_snapshot() if data is None else data
    check_options(rule)
    check_light_import(rule)
    options = _parse_options(rule, written)
    ids = _ids(rule, options, data)
    require(len(ids) == len(set(ids)), "matching() returned a customer twice")
    customers = set(data.customers.select("customer_id").to_polars()["customer_id"])
    matched = set(ids) & customers
    require(matched == set(expected), f"expected {sorted(expected)}, matched {sorted(matched)}")
    require(set(_ids(rule, options, data)) == set(ids), "matching() returned two answers for one snapshot")
    _check_optional(rule(options), data, matched)
    _ids(rule, options, replace(data, customers=data.customers.limit(0), events=data.events.limit(0)))
    _ids(rule, options, replace(data, as_of=data.as_of - timedelta(days=3650)))


def _parse_options(rule: type[Rule], written: Mapping[str, Any]) -> BaseModel:
    require(rule.key in written, f"the mapping must hold the rule's key {rule.key!r}")
    return rule.Options.model_validate(dict(written))


def _ids(rule: type[Rule], options: BaseModel, data: Snapshot) -> list[str]:
    return _listed(rule(options).matching(data), rule)


def _listed(table: ir.Table, rule: type) -> list[str]:
    keep(check_matching, table, f"rule {rule.__name__}")
    ids: list[str] = table.to_polars()["customer_id"].to_list()
    require(None not in ids, f"rule {rule.__name__} returned a null customer_id")
    return ids


def _check_optional(rule: Rule, data: Snapshot, matched: Collection[str]) -> None:
    """A predicate, a complement and a tally must say the same as `matching`, and figures must be figures."""
    everyone = data.customers.select("customer_id").to_polars()["customer_id"].to_list()
    if isinstance(rule, PredicateRule) and (test := rule.predicate(data, data.customers)) is not None:
        found = data.customers.filter(test).select("customer_id")
        require(set(_listed(found, type(rule))) == matched, "predicate() holds for others than matching() returned")
    if isinstance(rule, ComplementRule) and (others := rule.complement_of(data)) is not None:
        left = set(everyone) - set(_listed(others, type(rule)))
        require(left == matched, "complement_of() does not return all customers that matching() left out")
    if isinstance(rule, TallyRule) and (tally := rule.tally(data)) is not None:
        rows = data.events.filter(data.events.type == tally.event)
        held = rows.group_by("customer_id").aggregate(holds=tally.holds(rows).fill_null(False)).to_polars()
        true = set(held.filter(held["holds"])["customer_id"])
        found_by_tally = set(everyone) - true if tally.negated else true & set(everyone)
        require(found_by_tally == matched, "tally() holds for others than matching() returned")
    if isinstance(rule, MeasuringRule):
        for one in (*sorted(matched)[:1], *sorted(set(everyone) - set(matched))[:1]):
            _check_figures(rule, _narrowed(data, one))


def _check_figures(rule: MeasuringRule, data: Snapshot) -> None:
    """What `explain` shows of one customer: words, and something that the customer has."""
    figures = rule.measure(data)
    require(all(isinstance(figure, Figure) for figure in figures), "measure() returned something other than Figures")
    written = [text for figure in figures for text in (figure.has, figure.needs, figure.what)]
    require(all(isinstance(text, str) for text in written), "measure() returned a Figure whose parts are not all text")
    require(all(figure.has for figure in figures), "measure() returned a Figure that says nothing in `has`")


def _narrowed(data: Snapshot, customer_id: str) -> Snapshot:
    """The snapshot with the rows of one customer only, as `measure` gets it."""

    def own(table: ir.Table) -> ir.Table:
        return table.filter(table.customer_id == customer_id)

    return replace(
        data,
        customers=own(data.customers),
        events=own(data.events),
        decisions=own(data.decisions),
        segments={name: own(table) for name, table in data.segments.items()},
        measure_profiles=lambda: own(data.profiles),
    )
