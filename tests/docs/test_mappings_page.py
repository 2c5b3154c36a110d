"""Every example of the page on mappings: its files are imported, and the warehouse then has what the page shows."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from support.pages import ROOT, Block, blocks

from automation.plugin_manager import Registry, load_plugins
from automation.types.schema import TABLES, TableName
from automation.warehouse.embedded import Warehouse, open_warehouse
from automation.warehouse.importing.importer import import_files
from automation.warehouse.importing.mapping import load_mapping

PAGE = ROOT / "docs/how-to/write-a-mapping.md"
NOW = datetime(2026, 12, 31, tzinfo=UTC)
EXAMPLES = {
    title: found
    for title, text in re.findall(r"^## (.+)\n([\s\S]*?)(?=^## |\Z)", PAGE.read_text(), flags=re.M)
    if (found := [block for block in blocks(PAGE) if block.text in text])
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins()


@pytest.mark.parametrize("title", EXAMPLES)
def test_the_example_does_what_the_page_says(title: str, tmp_path: Path, registry: Registry) -> None:
    warehouse = open_warehouse(tmp_path / "warehouse")
    try:
        assert sum(_follow(EXAMPLES[title], tmp_path, warehouse, registry)) >= 1
    finally:
        warehouse.close()


def _follow(example: list[Block], folder: Path, warehouse: Warehouse, registry: Registry) -> Iterator[bool]:
    """Whether each block is a result, which is compared with the table that the last import filled."""
    filled = None
    for block in example:
        if block.file is not None:
            (folder / block.file).write_text(block.text)
        elif block.language == "sh":
            filled = _import(block.text, folder, warehouse, registry)
        elif block.language == "csv":
            assert filled is not None
            assert _shown(warehouse, filled, block.text) == list(csv.DictReader(io.StringIO(block.text)))
            yield True


def _import(command: str, folder: Path, warehouse: Warehouse, registry: Registry) -> TableName:
    found = re.fullmatch(r"automation import (\w+) (\S+) --mapping (\S+)\n", command)
    assert found
    table = next(name for name in TABLES if name == found[1])
    mapping = load_mapping(folder / found[3])
    import_files(
        warehouse, registry, table, [folder / found[2]], mapping, quarantine=folder / "quarantine.csv", now=NOW
    )
    return table


def _shown(warehouse: Warehouse, table: TableName, text: str) -> list[dict[str, str]]:
    """The table's rows with the columns that the text has, in the order of all of them."""
    columns = text.splitlines()[0].split(",")
    rows: pl.DataFrame = warehouse.table(table).select(*columns).to_polars().sort(columns)
    times = [name for name, dtype in rows.schema.items() if isinstance(dtype, pl.Datetime)]
    shown = rows.with_columns(pl.col(times).dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return list(csv.DictReader(io.StringIO(shown.write_csv())))


def test_the_lists_of_the_page_are_taken_apart(tmp_path: Path) -> None:
    (script,) = (block.text for block in blocks(PAGE) if block.language == "python")
    done = subprocess.run(
        [sys.executable, "-c", script],
        input='{"id": 1, "lines": [{"sku": "A", "n": 2}, {"sku": "B", "n": 1}]}\n',
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == '{"id": 1, "sku": "A", "n": 2}\n{"id": 1, "sku": "B", "n": 1}\n'
