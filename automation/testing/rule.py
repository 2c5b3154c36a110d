"""What every rule must do, as one call: `check_rule(MyRule, {"my_key": 3}, expected={"c1", "c4"})`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from automation.contracts import Rule, Snapshot
from automation.testing.toy_shop import toy_snapshot

if TYPE_CHECKING:
    import polars as pl


def check_rule(
    rule: type[Rule], written: Mapping[str, Any], *, expected: Collection[str], data: Snapshot | None = None
) -> None:
    """Assert the contract of `automation.contracts.Rule`.

    written: the whole mapping as the YAML has it, the rule's key included.
    expected: the customer ids that it must match, among those of `data` (the toy shop if none is given).

    Raises AssertionError saying what is wrong.
    """
    data = toy_snapshot() if data is None else data
    options = _check_options(rule, written)
    found = _ids(rule, options, data)
    assert found.columns == ["customer_id"], f"matching() gave the columns {found.columns}, not customer_id alone"
    ids = found["customer_id"].to_list()
    assert None not in ids, "matching() gave a null customer_id"
    assert len(ids) == len(set(ids)), "matching() gave a customer twice"
    customers = set(data.customers.select("customer_id").to_polars()["customer_id"])
    matched = set(ids) & customers
    assert matched == set(expected), f"expected {sorted(expected)}, matched {sorted(matched)}"
    again = _ids(rule, options, data)
    assert set(again["customer_id"]) == set(ids), "matching() gave two answers for one snapshot"
    _ids(rule, options, replace(data, customers=data.customers.limit(0), events=data.events.limit(0)))
    _ids(rule, options, replace(data, as_of=data.as_of - timedelta(days=3650)))


def _check_options(rule: type[Rule], written: Mapping[str, Any]) -> BaseModel:
    assert rule.key in written, f"the mapping must hold the rule's key {rule.key!r}"
    options = rule.Options.model_validate(dict(written))
    assert rule.Options.model_config.get("frozen"), "Options must be frozen"
    try:
        rule.Options.model_validate({**written, "no_such_option": 1})
    except ValidationError:
        return options
    raise AssertionError('Options must refuse an unknown key (extra="forbid")')


def _ids(rule: type[Rule], options: BaseModel, data: Snapshot) -> pl.DataFrame:
    import ibis.expr.types as ir

    table = rule(options).matching(data)
    assert isinstance(table, ir.Table), f"matching() must return a lazy Ibis table, not {type(table).__name__}"
    frame: pl.DataFrame = table.to_polars()
    return frame
