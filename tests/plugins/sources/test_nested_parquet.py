"""Structs, lists and maps of Parquet: bounded, and with storable texts, as flat columns are."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from automation.contracts import Options
from automation.errors import SourceError
from automation.warehouse.importing.file_reader import FileReader, read_frames
from automation.warehouse.importing.mapping import parse_mapping
from automation_sources import parquet_file
from automation_sources.json_lines import JsonLines
from automation_sources.nested_values import make_storable, measure
from automation_sources.parquet_file import ParquetFile

PARQUET = ParquetFile(Options())


def stored_once(text: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([text]))


def wrap(kind: str, texts: pa.Array) -> pa.Array:
    """One text a row, as a field, an item or a value; the first list is empty, so its text is not in the first row."""
    n = len(texts)
    if kind == "struct":
        return pa.StructArray.from_arrays([texts, pa.array(range(n))], names=["city", "n"])
    if kind == "map":
        keys = pa.array([f"k{number}" for number in range(n)])
        return pa.MapArray.from_arrays(pa.array(range(n + 1), pa.int32()), keys, texts)
    items = pa.StructArray.from_arrays([texts], names=["city"]) if kind == "list of structs" else texts
    return pa.ListArray.from_arrays(pa.array([0, 0, *range(2, n + 1)], pa.int32()), items)


KINDS = ["struct", "list", "list of structs", "map"]


def write(path: Path, column: pa.Array) -> Path:
    parquet.write_table(pa.table({"c": column, "row": range(len(column))}), path)
    return path


def fault(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        for _ in PARQUET.read(path, "events"):
            pass
    return str(caught.value).replace(str(path), path.name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_text_that_is_stored_once_is_refused_before_it_is_repeated(tmp_path: Path, kind: str) -> None:
    """50 GB in memory, some hundred kilobytes on disk."""
    path = write(tmp_path / "a.parquet", wrap(kind, stored_once("x" * 5_000_000, 10_000)))
    tracemalloc.start()
    allocated = pa.total_allocated_bytes()
    assert fault(path) == "a.parquet: a value of 5,000,000 bytes; at most 4,194,304 are allowed"
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    assert pa.total_allocated_bytes() - allocated < 50_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_texts_that_are_stored_once_come_in_small_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(parquet_file, "FRAME_BYTES", 1 << 20)
    frames = list(PARQUET.read(write(tmp_path / "a.parquet", wrap(kind, stored_once("x" * 110_000, 40))), "events"))
    assert max(frame.height for frame in frames) in (4, 9)  # the first list but one has two texts
    whole = pl.concat(frames)
    assert whole["_row"].to_list() == list(range(1, len(whole) + 1))
    assert whole["c"].str.count_matches("x", literal=True).sum() == 40 * 110_000


def test_a_row_that_repeats_a_text_without_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "FRAME_BYTES", 1 << 20)
    column = pa.ListArray.from_arrays(pa.array([0, 1, 50, 51], pa.int32()), stored_once("x" * 100_000, 51))
    found = fault(write(tmp_path / "a.parquet", column))
    assert found == "a.parquet: row 2: its lists and structs take 4,900,149 bytes; at most 1,048,576 are allowed"


def test_more_values_than_a_row_group_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "FRAME_BYTES", 1 << 20)
    column = pa.ListArray.from_arrays(pa.array([0, 300_000], pa.int32()), pa.nulls(300_000, pa.int8()))
    assert fault(write(tmp_path / "a.parquet", column)) == (
        "a.parquet: 300,000 values of 'c.list.element' in one row group; at most 262,144 are allowed"
    )


def test_two_columns_with_one_path_are_refused(tmp_path: Path) -> None:
    nested = pa.StructArray.from_arrays([pa.array(["x"])], names=["b"])
    parquet.write_table(pa.table({"a": nested, "a.b": ["x"]}), tmp_path / "a.parquet")
    assert fault(tmp_path / "a.parquet") == "a.parquet: two columns are called 'a.b'; rename one"


@pytest.mark.parametrize("kind", ["flat", *KINDS])
@pytest.mark.parametrize("once", [False, True])
def test_no_text_has_a_nul_or_is_no_utf_8(tmp_path: Path, kind: str, once: bool) -> None:
    texts = pa.array([b"Zoe", b"A\0na", b"B\xed\xa0\x80en", "Zoë\\u0000".encode(), None]).view(pa.string())
    if once:
        texts = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, None], pa.int32()), texts.slice(0, 4))
    path = write(tmp_path / "a.parquet", texts if kind == "flat" else wrap(kind, texts))
    shown = str([json.loads(row) if kind != "flat" and row else row for row in read(path)])
    assert "\\x00" not in shown
    for text in ("Zoe", "Ana", "B\ufffd\ufffd\ufffden", r"Zoë\\u0000", "None"):
        assert text in shown


def read(path: Path) -> list[str | None]:
    (frame,) = read_frames(PARQUET, path, "events")
    return frame["c"].to_list()


def test_json_lines_lose_a_nul_inside_a_list(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(r'{"tags": ["a\u0000b", {"x\u0000": "\\u0000"}], "o": {"city": "\u0000B"}}')
    (frame,) = read_frames(JsonLines(Options()), tmp_path / "a.jsonl", "events")
    assert json.loads(frame["tags"][0]) == ["ab", {"x": r"\u0000"}]
    assert frame["o.city"][0] == "B"


@pytest.mark.parametrize("start", [0, 1])
def test_the_measure_is_no_less_than_the_json_text(start: int) -> None:
    """Of every nested type, with nulls, and of a part of an array."""
    kinds = {
        pa.struct({"a": pa.string(), "b": pa.list_(pa.int8())}): [
            {"a": "xyz", "b": [1, 2]},
            None,
            {"a": None, "b": []},
        ],
        pa.large_list(pa.struct({"a": pa.string()})): [[{"a": "x"}, None], [], None],
        pa.list_(pa.string(), 2): [["a", "bcd"], None, [None, ""]],
        pa.map_(pa.string(), pa.float64()): [[("k", 1.5)], None, []],
    }
    for kind, values in kinds.items():
        array = pa.array(values, kind)[start:]
        shown = [len(json.dumps(value)) for value in array.to_pylist()]
        assert measure(array).shape == (3 - start,)
        assert (measure(array) + 4 >= np.array(shown)).all()
        assert make_storable(array).to_pylist() == [
            [{"key": key, "value": value} for key, value in one] if one is not None and pa.types.is_map(kind) else one
            for one in array.to_pylist()
        ]


@pytest.mark.parametrize("kind", KINDS)
def test_an_endless_row_is_quarantined_alone(tmp_path: Path, kind: str) -> None:
    """A text has at most 10,000 characters, a struct or list as well."""
    texts = pa.array(["ok", "x" * 20_000, "ok"])
    (frame,) = read_frames(PARQUET, write(tmp_path / "a.parquet", wrap(kind, texts)), "customers")
    mapping = parse_mapping("table: customers\ncolumns: {customer_id: row, email: row, shown: c}\n", "mapping.yaml")
    cleaned = FileReader(mapping.mappings[0], {}, datetime(2026, 3, 30, tzinfo=UTC)).read(frame)
    faults = cleaned.faults.filter(pl.col("column") == "shown")
    assert faults.select("_row", "reason").rows() == [(2, "is longer than 10000 characters")]
    assert cleaned.raw.height == 3
