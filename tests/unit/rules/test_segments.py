"""Named conditions, models' sets, and circles of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from unit.rules.written import core_registry, read

from automation.contracts import Snapshot
from automation.errors import ConfigurationError, ContractError
from automation.rules.compiler import evaluate
from automation.rules.segments import SegmentTables, with_segments
from automation.testing.toy_shop import toy_snapshot
from automation.types.condition import referred_segments

REGISTRY = core_registry()
SCHEMA = {"customer_id": pl.String(), "label": pl.String(), "score": pl.Float64(), "reasons": pl.List(pl.String())}


def condition(**written: Any) -> Any:
    return read(written, REGISTRY)


class Scorer:
    """A segmenter's `assign` that reads from the snapshot while its frames are being kept, and counts its calls."""

    def __init__(self, *frames: list[tuple[Any, ...]]) -> None:
        self.frames = frames
        self.calls = 0

    def assign(self, data: Snapshot) -> Iterator[pl.DataFrame]:
        self.calls += 1
        for rows in self.frames:
            assert data.customers.count().to_pyarrow().as_py() == 8
            yield pl.DataFrame(rows, schema=SCHEMA, orient="row")


def holding(data: Snapshot, **written: Any) -> list[str]:
    rows = evaluate([condition(**written)], data, REGISTRY).to_polars()
    return sorted(rows.filter(rows["holds_0"])["customer_id"])


def tables(data: Snapshot) -> set[str]:
    rows = data.customers.get_backend().con.cursor().execute("SELECT table_name FROM duckdb_tables()").fetchall()
    return {name for (name,) in rows}


def test_segments_build_on_segments_and_models_are_asked_once() -> None:
    scorer = Scorer([("c1", "hot", 0.9, ["bought often"])], [("c2", None, 0.2, []), ("c3", None, None, [])])
    conditions = {
        "gold": condition(trait="tier", **{"is": "gold"}),
        "hot_gold": condition(all=[{"segment": "gold"}, {"segment": "heat", "score": "at least 0.5"}]),
    }
    data = with_segments(toy_snapshot(), conditions, {"heat": scorer.assign}, REGISTRY)

    assert sorted(data.segments) == ["gold", "heat", "hot_gold"]
    assert scorer.calls == 0
    assert holding(data, segment="gold") == ["c1", "c3"]
    assert holding(data, segment="hot_gold") == ["c1"]
    assert holding(data, segment="heat") == ["c1", "c2", "c3"]
    assert scorer.calls == 1
    for table in data.segments.values():
        assert dict(table.limit(1).to_polars().schema) == SCHEMA


def test_dropped_tables_leave_the_database() -> None:
    data = with_segments(toy_snapshot(), {}, {"heat": Scorer([("c1", None, 1.0, [])]).assign}, REGISTRY)
    before = tables(data)
    assert holding(data, segment="heat") == ["c1"]

    assert isinstance(data.segments, SegmentTables)
    data.segments.drop()

    assert tables(data) == before


def test_a_circle_names_its_loop() -> None:
    conditions = {
        "start": condition(any=[{"segment": "lapsed"}, {"trait": "tier", "is": "gold"}]),
        "lapsed": condition(**{"not": {"segment": "active"}}),
        "active": condition(all=[{"did": "view"}, {"segment": "lapsed"}]),
    }

    with pytest.raises(ConfigurationError) as caught:
        with_segments(toy_snapshot(), conditions, {}, REGISTRY)
    assert str(caught.value) == "segments: a segment refers to itself: lapsed → active → lapsed"


def test_two_ways_to_one_segment_are_no_circle() -> None:
    conditions = {
        "top": condition(all=[{"segment": "left"}, {"segment": "right"}]),
        "left": condition(segment="bottom"),
        "right": condition(segment="bottom"),
        "bottom": condition(did="view"),
    }

    assert referred_segments(conditions["top"]) == ["left", "right"]
    assert holding(with_segments(toy_snapshot(), conditions, {}, REGISTRY), segment="top") == ["c1", "c6"]


def test_a_name_is_a_conditions_or_a_models() -> None:
    with pytest.raises(ConfigurationError, match=r"^segments: heat: a model has the same name; rename one of them$"):
        with_segments(toy_snapshot(), {"heat": condition(did="view")}, {"heat": Scorer().assign}, REGISTRY)


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ([[("c1", None, 1.0, [])], [("c1", None, 0.5, [])]], "segmenter heat returned customer 'c1' twice"),
        ([[("c1", None, float("nan"), [])]], "segmenter heat returned a score that is not a finite number"),
        ([[(None, None, 1.0, [])]], "segmenter heat returned a missing customer_id"),
        ([[("c1", None, 1.0, ["a", "b", "c", "d"])]], "segmenter heat returned more than 3 reasons for a customer"),
    ],
)
def test_a_model_that_breaks_its_contract_gives_no_segment(frames: list[Any], text: str) -> None:
    data = with_segments(toy_snapshot(), {}, {"heat": Scorer(*frames).assign}, REGISTRY)
    before = tables(data)

    with pytest.raises(ContractError) as caught:
        holding(data, segment="heat")

    assert str(caught.value) == text
    assert tables(data) == before
