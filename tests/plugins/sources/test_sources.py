"""CSV, JSON Lines and Parquet: the frames, and the errors for invalid files."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from automation.contracts import Options, Source
from automation.contracts.answers import check_rows
from automation.errors import SourceError
from automation.plugin_manager import load_plugins
from automation.testing.source import check_source
from automation_sources.csv_file import CsvFile, CsvOptions
from automation_sources.json_lines import JsonLines
from automation_sources.parquet_file import ParquetFile

CSV = CsvFile(CsvOptions())
JSON = JsonLines(Options())
PARQUET = ParquetFile(Options())


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def fault(source: Source, path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        list(source.read(path, "events"))
    return str(caught.value).replace(str(path), path.name)


def test_the_plugin_registers_three_sources() -> None:
    registry = load_plugins()
    assert {"csv", "json_lines", "parquet"} <= set(registry.names("sources"))


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_csv(tmp_path: Path, ending: str) -> None:
    content = '\ufeffid,name,note\r\n1,"Ana, Maria",\r\n\r\n2,"line\nbreak","say ""hi"""\r\n'.encode()
    path = written(tmp_path / f"people.csv{ending}", content)
    check_source(
        CSV,
        path,
        [{"id": "1", "name": "Ana, Maria", "note": ""}, {"id": "2", "name": "line\nbreak", "note": 'say "hi"'}],
        table="customers",
    )


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_csv_detects_the_separator_and_does_not_change_values(tmp_path: Path, separator: str) -> None:
    path = written(tmp_path / "a.csv", f"id{separator}price\n007{separator} 1,50 \n".encode())
    check_source(CSV, path, [{"id": "007", "price": " 1,50 "}])


def test_csv_in_another_encoding(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id;städt\n1;Köln\n".encode("windows-1252"))
    check_source(CsvFile(CsvOptions(encoding="windows-1252")), path, [{"id": "1", "städt": "Köln"}])


def test_csv_rows_are_numbered_across_frames(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv.gz", b"id\n" + b"".join(b"%d\n" % number for number in range(250_001)))
    frames = list(CSV.read(path, "events"))
    assert [frame.height for frame in frames] == [100_000, 100_000, 50_001]
    for frame in frames:
        check_rows(frame, "source csv")
    whole = pl.concat(frames)
    assert (whole["_row"] == whole["id"].cast(pl.Int64) + 1).all()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"", "a.csv: the file is empty; the first line must contain the column names"),
        ("a.csv", b"id,x\n1,2\n3\n", "a.csv: row 2: 1 fields, but the header has 2"),
        ("a.csv", b'id,x\n1,2\n3,4,5\n"6",7\n', "a.csv: row 2: 3 fields, but the header has 2"),
        ("a.csv", b"id,x,id\n1,2,3\n", "a.csv: the header contains the column 'id' twice"),
        ("a.csv", b"id,_row\n1,2\n", "a.csv: the column name '_row' is reserved; rename the column"),
        (
            "a.csv",
            "id,x\n1,ä\n2,ü\n".encode("latin-1"),
            "a.csv: row 1: a character is not valid utf-8; save the file as UTF-8, or set its encoding: options: "
            "{encoding: …}",
        ),
        (
            "a.csv",
            "id,x\n1,a\n".encode("utf-16"),
            "a.csv: the encoding is UTF-16; save the file as UTF-8, or set options: {encoding: utf-16}",
        ),
        ("a.csv", gzip.compress(b"id\n1\n", mtime=0), "a.csv: the content is gzip; rename the file to a.csv.gz"),
    ],
)
def test_broken_csv(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert fault(CSV, path) == expected


def test_an_unclosed_quotation_mark(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", b'id,x\n1,a\n2,"b\n3,c\n')
    assert fault(CSV, path) == "a.csv: row 2: unexpected end of data; is a quotation mark not closed?"


def test_a_quotation_mark_inside_a_value(tmp_path: Path) -> None:
    check_source(CSV, written(tmp_path / "a.csv", b'id,x\n1,5" pipe\n'), [{"id": "1", "x": '5" pipe'}])


def test_broken_gzip(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(b"id\n1\n")
    assert (
        fault(CSV, path) == "a.csv.gz: the name ends in .gz, but the content is not gzip; rename the file without .gz"
    )
    path.write_bytes(gzip.compress(b"id\n" + bytes(range(48, 58)) * 100)[:-20])
    assert fault(CSV, path).startswith("a.csv.gz: the gzip data is damaged or truncated (")


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(ValidationError, match="'klingon' is not an encoding"):
        CsvOptions(encoding="klingon")


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_json_lines(tmp_path: Path, ending: str) -> None:
    content = (
        '{"id": 1.50, "big": 12345678901234567890, "ok": true, "no": null}\n'
        "\n"
        '{"id": "ü", "address": {"city": "Ulm", "geo": {"lat": 48}}, "tags": ["a", 1]}\n'
    )
    path = written(tmp_path / f"a.jsonl{ending}", content.encode())
    check_source(
        JSON,
        path,
        [
            {"id": "1.50", "big": "12345678901234567890", "ok": "true"},
            {"id": "ü", "address.city": "Ulm", "address.geo.lat": "48", "tags": '["a", "1"]'},
        ],
    )
    assert [row for frame in JSON.read(path, "events") for row in frame["_row"]] == [1, 3]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"id": 1', "a.jsonl: row 2: not valid JSON: Expecting ',' delimiter: line 1 column 9 (char 8)"),
        (b"[1]", 'a.jsonl: row 2: expected a JSON object such as {"customer_id": "17"}'),
        (b'{"a": "\xff"}', "a.jsonl: row 2: a character is not valid UTF-8; save the file as UTF-8"),
        (b'{"_row": 1}', "a.jsonl: row 2: the key '_row' is reserved; rename it"),
    ],
)
def test_broken_json(tmp_path: Path, line: bytes, expected: str) -> None:
    assert fault(JSON, written(tmp_path / "a.jsonl", b'{"id": 1}\n' + line + b"\n")) == expected


def test_deeply_nested_json(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"a":' * 200_000 + b"1" + b"}" * 200_000)
    assert fault(JSON, path).startswith("a.jsonl: row 1: not valid JSON: ")


def parquet(path: Path, **columns: Any) -> Path:
    pl.DataFrame(columns).write_parquet(path)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(path.read_bytes()))
    return path


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_parquet(tmp_path: Path, ending: str) -> None:
    path = parquet(
        tmp_path / f"a.parquet{ending}",
        id=[17, 18],
        price=[1.5, None],
        at=[datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), None],
        local=[datetime(2024, 1, 2, 3, 4, 5), None],  # noqa: DTZ001 (a file's local time)
        day=[date(2024, 1, 2), None],
        ok=[True, False],
        tags=[["a", "b"], None],
        address=[{"city": "Ulm"}, {"city": None}],
    )
    check_source(
        PARQUET,
        path,
        [
            {
                "id": 17,
                "price": 1.5,
                "at": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
                "local": datetime(2024, 1, 2, 3, 4, 5),  # noqa: DTZ001 (a file's local time)
                "day": date(2024, 1, 2),
                "ok": True,
                "tags": '["a","b"]',
                "address": '{"city":"Ulm"}',
            },
            {"id": 18, "ok": False, "address": '{"city":null}'},
        ],
    )


def test_parquet_types_that_the_contract_does_not_have(tmp_path: Path) -> None:
    at = datetime(2024, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    path = parquet(
        tmp_path / "a.parquet",
        at=pl.Series([at]).dt.cast_time_unit("ns").dt.convert_time_zone("Europe/Berlin"),
        cents=pl.Series(["1.10"]).cast(pl.Decimal(10, 2)),
        small=pl.Series([1.1], dtype=pl.Float32),
        kind=pl.Series(["view"], dtype=pl.Categorical),
        hour=pl.Series([time(9, 30)]),
    )
    check_source(PARQUET, path, [{"at": at, "cents": "1.10", "small": "1.1", "kind": "view", "hour": "09:30:00"}])


def test_broken_parquet(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", b"id,x\n1,2\n")
    assert fault(PARQUET, path).startswith("a.parquet: not a valid Parquet file: ")
    path = parquet(tmp_path / "b.parquet", picture=[b"\x00"])
    assert fault(PARQUET, path) == "b.parquet: the column 'picture' is binary; export it as text or remove it"


class Faulty(JsonLines):
    def __init__(self, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        super().__init__(Options())
        self.change = change

    def read(self, path: Path, table: Any) -> Any:
        yield from map(self.change, super().read(path, table))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda frame: frame.with_columns(pl.struct("id").alias("id")), "columns of types that a source does not give"),
        (lambda frame: frame.with_columns(pl.col("_row") - 1), "_row counts from 1"),
        (lambda frame: frame.with_columns(pl.lit(1, pl.Int64).alias("_row")), "_row must rise and not repeat"),
        (lambda frame: frame.drop("_row"), "no _row Int64"),
        (lambda frame: frame.clear(), "a frame of 0 rows"),
    ],
)
def test_the_contract_suite_finds_faults(
    tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automation.testing.promises.HEAVY", ())  # this file itself imports polars
    path = written(tmp_path / "a.jsonl", b'{"id": 1}\n{"id": 2}\n')
    with pytest.raises(AssertionError, match=complaint):
        check_source(Faulty(change), path, [{"id": "1"}, {"id": "2"}])
