"""What an import says on the screen: why rows were left out, what would mend it, and which lines repeat others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from automation.cli.import_ import _import_blocks
from automation.cli.output import Table, Text
from automation.plugin_manager import load_plugins
from automation.types.schema import TableName
from automation.warehouse.embedded import Warehouse, open_warehouse
from automation.warehouse.importing.fault_summary import FaultSummary
from automation.warehouse.importing.importer import ImportReport, import_files
from automation.warehouse.importing.mapping import parse_mapping

NOW = datetime(2026, 3, 30, 9, tzinfo=UTC)
ORDERS = """Customer,Email,Note,Paid at,Sum
1,a@x.example,,2026-03-01,10
,b@x.example,,2026-03-02,20
,c@x.example,gift,2026-03-03,30
2,d@x.example,,01/02/2026,40
3,e@x.example,,2026-03-05,"50,5"
"""
MAPPING = """
table: events
columns: {customer_id: Customer, type: {constant: purchase}, occurred_at: Paid at, amount: Sum}
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    opened = open_warehouse(tmp_path / "warehouse")
    yield opened
    opened.close()


def load(warehouse: Warehouse, folder: Path, mapping: str, *texts: str, table: TableName = "events") -> ImportReport:
    paths = [folder / f"{name}.csv" for name, _ in zip("abc", texts, strict=False)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    parsed = parse_mapping(mapping, "mapping.yaml")
    return import_files(warehouse, load_plugins(), table, paths, parsed, quarantine=folder / "q.csv", now=NOW)


def screen(report: ImportReport) -> list[str]:
    """The lines of the tables, and the texts."""
    blocks = _import_blocks("events", report)
    cells = [" | ".join(map(str, row)) for block in blocks if isinstance(block, Table) for row in block.rows]
    return cells + [block.text for block in blocks if isinstance(block, Text)]


def test_the_reasons_are_shown_with_the_column_that_would_mend_them(warehouse: Warehouse, tmp_path: Path) -> None:
    report = load(warehouse, tmp_path, MAPPING, ORDERS)

    assert (report.added, report.quarantined, report.notes) == (2, 3, 1)
    missing, time, number = report.faults
    assert missing == FaultSummary(
        "customer_id", "is missing", 2, True, None, 2,
        "'Email' has a value in all of them: customer_id: {first: [Customer, Email]}",
    )  # fmt: skip
    assert (time.column, time.rows, time.quarantined, time.value, time.row) == ("occurred_at", 1, True, "01/02/2026", 4)
    assert time.mend == "write how Paid at is written under times:, such as times: ['%d/%m/%Y']"
    assert (number.column, number.quarantined, number.value) == ("amount", False, "50,5")
    assert number.mend == "decimal: comma, if a comma separates decimals"
    lines = screen(report)
    assert f"2 | customer_id is missing | row 2 | {missing.mend}" in lines
    assert f"1 | amount is not a number (set empty) | row 5: 50,5 | {number.mend}" in lines


def test_what_is_proposed_mends_it(warehouse: Warehouse, tmp_path: Path) -> None:
    mended = MAPPING.replace("customer_id: Customer", "customer_id: {first: [Customer, Email]}")
    mended += "times: [iso, '%d/%m/%Y']\ndecimal: comma\n"

    report = load(warehouse, tmp_path, mended, ORDERS)

    assert (report.added, report.quarantined, report.notes, report.faults) == (5, 0, 0, ())


def test_columns_that_are_empty_too_are_not_proposed(warehouse: Warehouse, tmp_path: Path) -> None:
    report = load(
        warehouse, tmp_path, MAPPING, "Customer,Email,Paid at,Sum\n,NULL,2026-03-01,1\n,b@x.example,2026-03-02,1\n"
    )

    (missing,) = report.faults
    assert missing.mend == "no other column has a value in these rows"


def test_the_most_frequent_reason_comes_first(warehouse: Warehouse, tmp_path: Path) -> None:
    rows = [f"{n},a@x.example,,not a day,1" for n in range(40)] + [f",a@x.example,,2026-03-0{n},1" for n in range(1, 4)]
    report = load(warehouse, tmp_path, MAPPING, "\n".join([ORDERS.splitlines()[0], *rows]))

    assert [(fault.column, fault.rows) for fault in report.faults] == [("occurred_at", 40), ("customer_id", 3)]


LINES = (
    "Customer,Email,Note,Paid at,Sum\n1,a,,2026-03-01,10\n1,a,,2026-03-01,10\n2,a,,2026-03-01,10\n1,a,,2026-03-01,10\n"
)


def test_lines_that_repeat_others_are_named(warehouse: Warehouse, tmp_path: Path) -> None:
    report = load(warehouse, tmp_path, MAPPING, LINES, "Customer,Email,Note,Paid at,Sum\n2,b,,2026-03-01,10\n")

    assert (report.added, report.duplicates, report.repeated) == (2, 3, 3)
    assert report.repeated_at == ("a.csv:2", "a.csv:4", "b.csv:1")
    (said,) = [line for line in screen(report) if "repeat an earlier line" in line]
    assert said.startswith(
        "3 lines of the duplicates repeat an earlier line of the same files: a.csv:2, a.csv:4, b.csv:1;"
    )
    assert "repeats: keep" in said

    again = load(warehouse, tmp_path, MAPPING, "Customer,Email,Note,Paid at,Sum\n2,b,,2026-03-01,10\n")
    assert (again.duplicates, again.repeated, again.repeated_at) == (1, 0, ())


def test_kept_repeats_are_none(warehouse: Warehouse, tmp_path: Path) -> None:
    report = load(warehouse, tmp_path, MAPPING + "repeats: keep\n", LINES)

    assert (report.added, report.duplicates, report.repeated) == (4, 0, 0)


def test_events_of_customers_and_products_that_do_not_exist(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.upsert("customers", pl.DataFrame({"customer_id": ["1"]}))
    warehouse.upsert("products", pl.DataFrame({"product_id": ["p1"]}))
    mapping = MAPPING.replace("amount: Sum", "product_id: Note")
    text = "Customer,Note,Paid at\n1,p1,2026-03-01\n2,p1,2026-03-02\n2,p2,2026-03-03\n3,,2026-03-03\n"

    report = load(warehouse, tmp_path, mapping, text)

    assert report.warnings == (
        "not imported yet: 2 customers of 3 events; until they are, no rule finds them",
        "not imported yet: 1 product of 1 event; until they are, rules and models know nothing of them",
    )
    assert f"warning: {report.warnings[0]}" in screen(report)
    warehouse.upsert("customers", pl.DataFrame({"customer_id": ["2", "3"]}))
    warehouse.upsert("products", pl.DataFrame({"product_id": ["p2"]}))
    assert load(warehouse, tmp_path, mapping, text.replace("2026-03-0", "2026-02-0")).warnings == ()
