"""The events of a run's members: written once, by batch, and the same as if each batch looked for its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from automation.warehouse.batch_file import BatchFile, DamagedFile
from automation.warehouse.embedded import Warehouse, open_warehouse
from automation.warehouse.history import freeze_history, read_history

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """3,000 events of 100 customers, among them some without a product, and some at the same instant."""
    number = pl.int_range(3_000, eager=True)
    made = open_warehouse(tmp_path / "warehouse")
    made.append_events(
        pl.select(
            event_id=pl.format("e{}", number),
            customer_id=pl.format("c{}", number * 7919 % 100),
            type=pl.when(number % 5 == 0).then(pl.lit("search")).when(number % 3 == 0).then(pl.lit("purchase"))
            .otherwise(pl.lit("view")),
            product_id=pl.when(number % 5 > 0).then(pl.format("p{}", number % 11)),
            amount=pl.when(number % 3 == 0).then(number % 40 * 1.5),
            occurred_at=pl.lit(NOW - timedelta(days=30)) + pl.duration(hours=pl.lit(number % 600)),
        )
    )  # fmt: skip
    yield made
    made.close()


@pytest.fixture
def members(tmp_path: Path) -> Path:
    """120 customers in batches of 50: every other customer of the shop is none, and some never did anything."""
    order = pl.DataFrame({"customer_id": [f"c{number * 2}" for number in range(120)]})
    path = tmp_path / "members.parquet"
    order.with_row_index("no").select("customer_id", (pl.col("no") // 50).cast(pl.Int32).alias("batch")).write_parquet(
        path
    )
    return path


def test_each_batch_is_what_a_look_at_all_events_finds(warehouse: Warehouse, members: Path, tmp_path: Path) -> None:
    data = warehouse.snapshot(NOW)
    frozen = freeze_history(data, members, tmp_path / "history.parquet")
    placed = pl.read_parquet(members)
    for no in range(3):
        expected = read_history(data, placed.filter(pl.col("batch") == no)["customer_id"])
        assert frozen.batch(no).equals(expected)
        assert frozen.batch(no).schema == expected.schema
    assert frozen.batch(0).height > 500
    assert frozen.batch(2).is_empty(), "the last twenty never did anything"
    assert frozen.batch(9).is_empty()


def test_a_batch_needs_the_shop_no_more(warehouse: Warehouse, members: Path, tmp_path: Path) -> None:
    """It is read from its part of one file, whatever happens to the warehouse, and not written a second time."""
    data = warehouse.snapshot(NOW)
    path = tmp_path / "history.parquet"
    first = freeze_history(data, members, path).batch(1)
    for file in (warehouse.folder / "events").glob("*.parquet"):
        file.unlink()
    assert freeze_history(data, members, path).batch(1).equals(first)


def test_only_a_batch_s_own_row_groups_are_read(tmp_path: Path) -> None:
    """100 batches in 100 row groups, of which all but one are overwritten with rubbish."""
    path = tmp_path / "batches.parquet"
    rows = pl.select(batch=pl.int_range(1_000, dtype=pl.Int32) // 10, value=pl.int_range(1_000))
    rows.write_parquet(path, row_group_size=10, compression="zstd")
    opened = BatchFile(path)
    assert [batch["value"].to_list() for batch in opened.batches()] == [
        list(range(first, first + 10)) for first in range(0, 1_000, 10)
    ]
    body = bytearray(path.read_bytes())
    content, end = len(body) * 2 // 5, len(body) * 3 // 5
    body[4:content] = b"\xff" * (content - 4)
    path.write_bytes(body)
    harmed = BatchFile(path)
    with pytest.raises(DamagedFile, match=r"batches\.parquet is damaged"):
        harmed.batch(0)
    assert end > content


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\x00" * 100, None], ids=["empty", "cut", "zeros", "missing"])
def test_what_is_no_parquet_file_is_damaged(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "1.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"1\.parquet is damaged"):
        BatchFile(path)
