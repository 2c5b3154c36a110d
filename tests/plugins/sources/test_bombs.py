"""Files that are far more than they seem, or hold what no text can: an error with its place, within bounded memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from automation.contracts import Options, Source
from automation.errors import SourceError
from automation.warehouse.importing.file_reader import read_frames
from automation_sources import csv_file, json_lines, limits, parquet_file
from automation_sources.csv_file import CsvFile, CsvOptions
from automation_sources.json_lines import JsonLines
from automation_sources.parquet_file import ParquetFile

CSV = CsvFile(CsvOptions())
JSON = JsonLines(Options())
PARQUET = ParquetFile(Options())


def fault(source: Source, path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        for _ in source.read(path, "events"):
            pass
    return str(caught.value).replace(str(path), path.name)


def columns(count: int) -> list[str]:
    return [f"c{number}" for number in range(count)]


def test_a_hundred_thousand_columns(tmp_path: Path) -> None:
    names = columns(100_000)
    (tmp_path / "a.csv").write_text(",".join(names) + "\n" + "," * (len(names) - 1) + "\n")
    assert fault(CSV, tmp_path / "a.csv") == "a.csv: 100,000 columns; at most 2,000 are allowed"
    (tmp_path / "a.jsonl").write_text(json.dumps(dict.fromkeys(names, 1)))
    assert fault(JSON, tmp_path / "a.jsonl") == "a.jsonl: row 1: 100,000 columns; at most 2,000 are allowed"
    with (tmp_path / "b.jsonl").open("w") as file:
        file.writelines(json.dumps({name: 1}) + "\n" for name in names[:3_000])
    assert fault(JSON, tmp_path / "b.jsonl") == "b.jsonl: row 2001: 2,001 columns; at most 2,000 are allowed"
    parquet.write_table(pa.table({name: [1] for name in names[:3_000]}), tmp_path / "a.parquet")
    assert fault(PARQUET, tmp_path / "a.parquet") == "a.parquet: 3,000 columns; at most 2,000 are allowed"


def test_a_header_with_a_value_that_is_never_closed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,"' + "x" * 200_000)
    assert fault(CSV, tmp_path / "a.csv").startswith("a.csv: the header can't be read: field larger than field limit")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limits at a size that a test can write."""
    monkeypatch.setattr(limits, "FREE_BYTES", 1 << 20)
    for module in (csv_file, json_lines, parquet_file):
        monkeypatch.setattr(module, "FRAME_BYTES", 1 << 20)
    monkeypatch.setattr(json_lines, "MAX_VALUE", 1 << 18)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz", "a.parquet.gz"])
def test_a_gzip_bomb(tmp_path: Path, name: str) -> None:
    row = {"a.csv.gz": b"id,name\n" + b"1,x\n" * 900_000, "a.jsonl.gz": b'{"id":1}\n' * 400_000}
    (tmp_path / name).write_bytes(gzip.compress(row.get(name, b"\0" * 12_000_000), 9))
    source = {"a.csv.gz": CSV, "a.jsonl.gz": JSON, "a.parquet.gz": PARQUET}[name]
    assert fault(source, tmp_path / name) == (  # type: ignore[arg-type]
        f"{name}: the content is more than 300 times as large as the compressed file; decompress it yourself, look at "
        "it, and import it uncompressed"
    )


@pytest.mark.usefixtures("small")
def test_a_line_without_an_end(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "' + "x" * 1_000_000)
    assert fault(JSON, tmp_path / "a.jsonl") == "a.jsonl: row 1: the line is longer than 0 MB"


def test_a_long_value_that_parquet_stores_once(tmp_path: Path) -> None:
    value = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), pa.array(["x" * 5_000_000]))
    parquet.write_table(pa.table({"id": value}), tmp_path / "a.parquet")  # 5 TB in memory, 240 KB on disk
    tracemalloc.start()
    assert (
        fault(PARQUET, tmp_path / "a.parquet") == "a.parquet: a value of 5,000,000 bytes; at most 4,194,304 are allowed"
    )
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


@pytest.mark.usefixtures("small")
def test_values_that_parquet_stores_once_come_in_small_frames(tmp_path: Path) -> None:
    """A row is 110,000 bytes, a frame about a megabyte: 9 rows; the order and the numbers are kept."""
    value = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 20, pa.int32()), pa.array(["x" * 110_000, "y"]))
    parquet.write_table(pa.table({"note": value, "n": list(range(40))}), tmp_path / "a.parquet")
    frames = list(PARQUET.read(tmp_path / "a.parquet", "events"))
    assert [frame.height for frame in frames] == [9, 9, 9, 9, 4]
    whole = pl.concat(frames)
    assert whole["_row"].to_list() == list(range(1, 41))
    assert whole["n"].to_list() == list(range(40))
    assert whole["note"].str.len_bytes().to_list() == [110_000, 1] * 20


def test_more_rows_than_a_file_can_hold(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"id": pa.nulls(20_000_000, pa.int8())}), tmp_path / "a.parquet")
    assert " rows in " in fault(PARQUET, tmp_path / "a.parquet")


def test_half_a_character_of_json_is_marked_as_lost(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(r'{"id": "a\ud800", "name": "\udfff", "na\ud800me": 1, "emoji": "\ud83d\ude00"}')
    (frame,) = JSON.read(tmp_path / "a.jsonl", "customers")
    assert frame.rows(named=True) == [{"id": "a\ufffd", "name": "\ufffd", "na\ufffdme": "1", "emoji": "😀", "_row": 1}]


@pytest.mark.parametrize("depth", [600, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_that_no_one_can_read(tmp_path: Path, depth: int, opening: str, closing: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"id":' + opening * depth + "1" + closing * depth + "}")
    try:
        (frame,) = JSON.read(tmp_path / "a.jsonl", "customers")
    except SourceError as error:
        read = f"row {error.row}"
    else:
        read = frame.columns[0][:2]
    assert read in {"id", "row 1"}


class Broken:
    """A source with a mistake."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def read(self, path: Path, table: str) -> Iterator[pl.DataFrame]:
        raise self.error
        yield


@pytest.mark.parametrize(
    "error", [ValueError("x\ny"), RecursionError(), MemoryError(), pl.exceptions.PanicException("p")]
)
def test_whatever_a_source_raises_names_the_file(error: BaseException) -> None:
    with pytest.raises(SourceError, match=f"people.csv: can't be read: {type(error).__name__}"):
        list(read_frames(Broken(error), Path("people.csv"), "customers"))  # type: ignore[arg-type]


def test_days_and_times_that_no_calendar_has_are_empty(tmp_path: Path) -> None:
    """In UTC and local; the first and the last that a calendar has stay."""
    micros = [-(2**63), 2**63 - 1, -62_135_596_800_000_000, 253_402_300_799_999_999, 253_402_300_800_000_000, 0]
    table = pa.table(
        {
            "at": pa.array(micros, pa.timestamp("us", "UTC")),
            "local": pa.array(micros, pa.timestamp("us")),
            "day": pa.array([-(2**31), 2**31 - 1, -719_162, 2_932_896, 2_932_897, 0], pa.date32()),
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    (frame,) = read_frames(PARQUET, tmp_path / "a.parquet", "events")
    for name in ("at", "local", "day"):
        assert [value if value is None else value.year for value in frame[name].to_list()] == [
            None, None, 1, 9999, None, 1970,
        ]  # fmt: skip
