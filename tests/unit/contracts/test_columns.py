"""The declared columns have one truth: every frame of them is made from it."""

from __future__ import annotations

import re
from pathlib import Path

import automation
from automation.contracts.columns import polars_schema
from automation.store.ledger.mirror import MIRROR
from automation.testing.toy_shop import toy_snapshot
from automation.types.schema import DECISION_COLUMNS
from automation.warehouse.embedded import DECISIONS

PACKAGE = Path(automation.__file__).parent
TYPES = re.compile(r'"time": pl\.Datetime')
DECIDED = re.compile(r'"decided_at": (pl\.Datetime|"time")')


def files_with(pattern: re.Pattern[str]) -> set[str]:
    files = PACKAGE.rglob("*.py")
    return {path.relative_to(PACKAGE).as_posix() for path in files if pattern.search(path.read_text())}


def test_the_types_and_the_columns_of_decisions_are_written_once() -> None:
    assert files_with(TYPES) == {"contracts/columns.py"}
    assert files_with(DECIDED) == {"types/schema.py"}


def test_every_frame_of_decisions_has_these_columns() -> None:
    stated = polars_schema(DECISION_COLUMNS)
    assert stated == DECISIONS
    assert {name: kind for name, kind in MIRROR.items() if name != "decision_id"} == stated
    assert tuple(toy_snapshot().decisions.columns) == tuple(stated)
