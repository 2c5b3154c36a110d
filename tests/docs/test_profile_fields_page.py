"""The page of the profile's fields: what each is computed from, that its rule works, and which can rank customers."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ibis
import polars as pl
import pytest
import yaml
from support.pages import ROOT
from unit.rules.written import core_registry

from automation.contracts import Snapshot
from automation.contracts.columns import POLARS_TYPES
from automation.errors import ConfigurationError
from automation.rules.ranking import rank_customers
from automation.testing.toy_shop import toy_snapshot
from automation.types.profile import ALWAYS_KNOWN, PROFILE_COLUMNS
from automation.warehouse.embedded import open_warehouse
from automation.warehouse.profiling.facts import KINDS

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PAGE = (ROOT / "docs/reference/profile-fields.md").read_text()
ROWS = {
    row[0]: row
    for row in re.findall(
        r"^\| `(\w+)`(\*?) \| (\w+) \| [^|]+ \| ([^|]+) \| (yes|) ?\| `([^|]+)` \|$", PAGE, flags=re.M
    )
}
EVENTS = pl.Schema(
    {
        **dict.fromkeys(("event_id", "customer_id", "type"), pl.String()),
        "occurred_at": pl.Datetime("us", "UTC"),
        **dict.fromkeys(("product_id", "order_id", "message_id"), pl.String()),
        "amount": pl.Float64(),
        "discount": pl.Float64(),
    }
)


def _events() -> pl.DataFrame:
    """40 customers who get, open and click messages, and buy; everybody does each several times."""
    chance = random.Random(8)
    rows = []
    for number in range(1600):
        who, kind = number % 40, list(KINDS)[number // 40 % len(KINDS)]
        bought = kind == "purchase"
        rows.append((
            str(number), f"c{who}", kind, NOW - timedelta(hours=chance.randrange(1, 6000)),
            f"p{chance.randrange(4)}" if bought else None, f"o{number}" if bought else None,
            None if bought else f"m{who}-{chance.randrange(12)}",
            float(chance.randrange(1, 90) ** (3 if who == 7 else 1)) if bought else None,
            chance.choice((0.0, 0.1, 0.2)) if bought else None,
        ))  # fmt: skip
    return pl.DataFrame(rows, schema=EVENTS, orient="row")


@pytest.fixture(scope="module")
def data() -> Snapshot:
    """One customer with a value in every field."""
    values = {"text": "tea", "number": 1.0, "integer": 1, "boolean": False, "time": NOW, "date": NOW.date()}
    row = {name: [values[kind]] for name, kind in PROFILE_COLUMNS.items()}
    profiles = ibis.memtable(
        pl.DataFrame(row, schema={name: POLARS_TYPES[kind] for name, kind in PROFILE_COLUMNS.items()})
    )
    return replace(toy_snapshot(), customers=profiles.select("customer_id"), measure_profiles=lambda: profiles)


def test_the_page_has_every_field() -> None:
    assert set(ROWS) == set(PROFILE_COLUMNS) - {"customer_id"}
    assert {name for name, row in ROWS.items() if row[1]} == ALWAYS_KNOWN


@pytest.mark.slow
def test_a_field_changes_without_the_events_that_it_is_computed_from_and_with_no_others(tmp_path: Path) -> None:
    """Of one shop: the same 40 customers again and again, each time without the events of another type."""
    warehouse = open_warehouse(tmp_path)
    try:
        brands = {"category": ["tea", "tea", "tin", "pot"], "brand": ["A", "B", "B", "C"]}
        warehouse.upsert("products", pl.DataFrame({"product_id": [f"p{number}" for number in range(4)], **brands}))
        for left_out in ("nothing", *KINDS):
            renamed = (pl.format(f"{{}}-{left_out}", name).alias(name) for name in ("event_id", "customer_id"))
            warehouse.append_events(_events().filter(pl.col("type") != left_out).with_columns(*renamed))
        found: pl.DataFrame = warehouse.snapshot(NOW).profiles.to_polars()
    finally:
        warehouse.close()
    whole = _group(found, "nothing")
    changed = {
        name: {left_out for left_out in KINDS if not whole[name].equals(_group(found, left_out)[name])} for name in ROWS
    }
    assert changed == {name: set(re.findall(r"\[`(\w+)`\]", row[3])) for name, row in ROWS.items()}


def _group(profiles: pl.DataFrame, left_out: str) -> pl.DataFrame:
    everybody = pl.DataFrame({"customer_id": [f"c{number}-{left_out}" for number in range(40)]})
    return everybody.join(profiles, on="customer_id", how="left", maintain_order="left")


@pytest.mark.parametrize("name", ROWS)
def test_the_example_is_a_rule_of_the_field(name: str, data: Snapshot) -> None:
    written = yaml.safe_load(ROWS[name][5])
    assert written["profile"] == name
    registry = core_registry()
    options = registry.find("rules", "profile").Options.model_validate(written)
    rule = registry.find("rules", "profile")(options)
    assert rule.matching(data).count().to_pyarrow().as_py() in (0, 1)


@pytest.mark.parametrize("name", ROWS)
def test_only_fields_with_a_number_rank(name: str, data: Snapshot) -> None:
    if ROWS[name][4]:
        assert rank_customers(data.customers, name, data).count().to_pyarrow().as_py() == 1
    else:
        with pytest.raises(ConfigurationError, match="is not a number"):
            rank_customers(data.customers, name, data)
