"""Files into the warehouse: every row accounted for, nothing twice, nothing lost without a reason."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automation.errors import AutomationError, ConfigurationError, SourceError
from automation.plugin_manager import Registry, load_plugins
from automation.types.schema import TableName
from automation.warehouse.embedded import Warehouse, open_warehouse
from automation.warehouse.importing.importer import ImportReport, import_files
from automation.warehouse.importing.mapping import parse_mapping

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
PURCHASES = """
table: events
columns:
  customer_id: customer
  occurred_at: at
  type: {constant: purchase}
  product_id: product
  quantity: {column: pieces, missing: default, default: 1}
  amount: {multiply: [pieces, price]}
skip:
  - {column: pieces, at_most: 0, reason: return}
  - {column: customer, empty: true, reason: no customer}
"""
PEOPLE = """
table: customers
columns:
  customer_id: id
  email: mail
  country: country
  points: {column: points, optional: true}
types: {points: integer}
"""


OBSERVER = """
from pathlib import Path

from automation.hookspecs import hookimpl


@hookimpl
def events_recorded(table, rows, quarantined):
    with Path(__file__).with_name("observed.txt").open("a") as file:
        file.write(f"{table} {rows} {quarantined}\\n")
"""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins()


class Shop:
    """A warehouse, a folder for files, and one call to import into it."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder = folder
        self.registry = registry
        self.warehouse: Warehouse = open_warehouse(folder / "warehouse")
        self.progress: list[int] = []
        self.consents: list[pl.DataFrame] = []

    def write(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
        return path

    def take(self, table: TableName, mapping: str, *paths: Path) -> ImportReport:
        report = import_files(
            self.warehouse,
            self.registry,
            table,
            paths,
            parse_mapping(mapping, "mapping.yaml"),
            quarantine=self.folder / "quarantine.csv",
            now=NOW,
            progress=self.progress.append,
            record_consents=self.consents.append,
        )
        assert_balanced(report)
        return report

    def quarantined(self) -> list[dict[str, str]]:
        with (self.folder / "quarantine.csv").open(newline="") as stream:
            return list(csv.DictReader(stream))

    def faults(self) -> list[tuple[str, ...]]:
        return [tuple(row[name] for name in ("row", "column", "reason", "value")) for row in self.quarantined()]

    def rows(self, table: TableName, *columns: str) -> list[tuple[Any, ...]]:
        return sorted(self.warehouse.table(table).select(*columns).to_polars().rows(), key=repr)


def assert_balanced(report: ImportReport) -> None:
    stored = report.added + report.updated + report.unchanged + report.duplicates
    assert report.rows == stored + sum(report.skipped.values()) + report.quarantined


@pytest.fixture
def shop(tmp_path: Path, registry: Registry) -> Iterator[Shop]:
    shop = Shop(tmp_path, registry)
    yield shop
    shop.warehouse.close()


def counts(report: ImportReport) -> Mapping[str, int]:
    names = ("rows", "added", "updated", "unchanged", "duplicates", "quarantined", "notes")
    return {name: value for name, value in asdict(report).items() if name in names and value}


def test_where_selects_rows_in_any_case(shop: Shop) -> None:
    mapping = "table: products\ncolumns: {product_id: id}\nwhere: {kind: [Toy, game], price: []}\n"
    path = shop.write("goods.csv", "id,kind,price\np1,TOY,1\np2,book,1\np3,,1\np4,Game,NA\np5,game,2\n")
    report = shop.take("products", mapping, path)
    assert report.skipped == {"not selected by where: kind": 2, "not selected by where: price": 1}
    assert shop.rows("products", "product_id") == [("p1",), ("p5",)]


def test_where_reads_a_typed_column_as_text(shop: Shop) -> None:
    pl.DataFrame({"id": ["p1", "p2"], "shown": [True, False]}).write_parquet(shop.folder / "goods.parquet")
    mapping = "table: products\ncolumns: {product_id: id}\nwhere: {shown: [true]}\n"
    shop.take("products", mapping, shop.folder / "goods.parquet")
    assert shop.rows("products", "product_id") == [("p1",)]


def test_a_list_of_one_is_unwrapped(shop: Shop) -> None:
    mapping = "table: products\ncolumns: {product_id: id, tag: {column: tags, unwrap: true, values: {a: letter a}}}\n"
    path = shop.write("goods.csv", 'id,tags\np1,"[""a""]"\np2,[b]\np3,"[""a"", ""b""]"\np4,[]\np5,c\n')
    shop.take("products", mapping, path)
    assert shop.rows("products", "product_id", "tag") == [
        ("p1", "letter a"), ("p2", "b"), ("p3", '["a", "b"]'), ("p4", "[]"), ("p5", "c"),
    ]  # fmt: skip


def test_the_apostrophe_of_a_spreadsheet_goes(shop: Shop) -> None:
    path = shop.write("goods.csv", "id,title\n'007,'=SUM(A1)\np2,'tis\np3,'@home\n")
    shop.take("products", "table: products\ncolumns: {product_id: id, name: title}\n", path)
    assert shop.rows("products", "product_id", "name") == [("007", "=SUM(A1)"), ("p2", "'tis"), ("p3", "@home")]


def test_every_row_of_a_messy_file(shop: Shop) -> None:
    path = shop.write(
        "sales.csv",
        "customer,at,product,pieces,price\n"
        " c1 ,2024-01-01 10:00:00,p1,2,1.50\n"  # 3.00
        "c1,2024-01-02,p2,,4\n"  # no pieces: the default; the product of nothing is nothing
        "c2,2024-01-03T09:00:00Z,NA,1,x\n"  # price unusable: a note
        ",2024-01-03,p1,1,1\n"  # no customer: policy
        "c2,2024-01-04,p1,-1,1\n"  # return: policy
        "c2,yesterday,p1,1,1\n"  # quarantined
        "c2,,p1,1,1\n"  # quarantined
        "c2,2031-01-01,=cmd(),1,1\n"  # quarantined, and dangerous in a spreadsheet
        " c1 ,2024-01-01 10:00:00,p1,2,1.50\n",  # the first line again
    )
    report = shop.take("events", PURCHASES, path)
    assert counts(report) == {"rows": 9, "added": 3, "duplicates": 1, "quarantined": 3, "notes": 1}
    assert report.skipped == {"return": 1, "no customer": 1}
    assert report.lines == 9
    assert shop.progress == [9]
    assert shop.rows("events", "customer_id", "occurred_at", "type", "product_id", "quantity", "amount") == [
        ("c1", datetime(2024, 1, 1, 10, tzinfo=UTC), "purchase", "p1", 2.0, 3.0),
        ("c1", datetime(2024, 1, 2, tzinfo=UTC), "purchase", "p2", 1.0, None),
        ("c2", datetime(2024, 1, 3, 9, tzinfo=UTC), "purchase", None, 1.0, None),
    ]
    assert report.quarantine_file == shop.folder / "quarantine.csv"
    found = shop.quarantined()
    assert [(row["row"], row["kind"], row["column"], row["reason"], row["value"]) for row in found] == [
        ("3", "value", "amount", "is not a number", "1 × x"),
        ("6", "row", "occurred_at", "is not a time such as 2024-12-31 18:00:00", "yesterday"),
        ("7", "row", "occurred_at", "is missing", ""),
        ("8", "row", "occurred_at", "is in the future", "2031-01-01"),
    ]
    assert {row["file"] for row in found} == {str(path)}
    assert json.loads(found[3]["line"]) == {
        "customer": "c2", "at": "2031-01-01", "product": "=cmd()", "pieces": "1", "price": "1",
    }  # fmt: skip
    assert found[0]["line"] == "", "a row that was taken is not repeated"


def test_quarantine_is_safe_to_open_and_only_ours_to_read(shop: Shop) -> None:
    path = shop.write("people.csv", "id,mail,country\nc1,=HYPERLINK(1),+DE\nc2,@SUM,-1\n")
    shop.take("customers", PEOPLE, path)
    assert [row["value"] for row in shop.quarantined()] == ["'=HYPERLINK(1)", "'+DE", "'@SUM", "'-1"]
    assert stat.S_IMODE((shop.folder / "quarantine.csv").stat().st_mode) == 0o600


def test_an_old_quarantine_file_stays_and_the_next_is_numbered(shop: Shop) -> None:
    shop.write("quarantine.csv", "of the last import")
    report = shop.take("customers", PEOPLE, shop.write("people.csv", "id,mail,country\nc1,a@x.example,DE\n"))
    assert report.quarantine_file is None
    report = shop.take("customers", PEOPLE, shop.write("people.csv", "id,mail,country\n,a@x.example,DE\n"))
    assert report.quarantine_file == shop.folder / "quarantine-2.csv"
    assert (shop.folder / "quarantine.csv").read_text() == "of the last import"


def test_importing_again_changes_nothing(shop: Shop) -> None:
    sales = shop.write(
        "sales.csv", "customer,at,product,pieces,price\nc1,2024-01-01,p1,2,1.50\nc2,2024-01-01,p1,2,1.5\n"
    )
    people = shop.write("people.csv", "id,mail,country\nc1,A@x.example,de\nc2,b@x.example,AT\n")
    assert counts(shop.take("events", PURCHASES, sales)) == {"rows": 2, "added": 2}
    assert counts(shop.take("customers", PEOPLE, people)) == {"rows": 2, "added": 2}
    before = shop.warehouse.version()
    assert counts(shop.take("events", PURCHASES, sales)) == {"rows": 2, "duplicates": 2}
    assert counts(shop.take("customers", PEOPLE, people)) == {"rows": 2, "unchanged": 2}
    assert shop.warehouse.version() == before
    changed = shop.write("more.csv", "id,mail,country\nc1,a@x.example,AT\nc3,c@x.example,DE\n")
    assert counts(shop.take("customers", PEOPLE, people, changed)) == {
        "rows": 4, "added": 1, "updated": 1, "unchanged": 1, "duplicates": 1,
    }  # fmt: skip
    assert shop.rows("customers", "customer_id", "email", "country") == [
        ("c1", "a@x.example", "AT"),
        ("c2", "b@x.example", "AT"),
        ("c3", "c@x.example", "DE"),
    ]


def test_an_event_without_an_id_gets_the_hash_of_its_content(shop: Shop) -> None:
    """The recipe is written in `identity`; it must hold for ever, or every re-import would double the events."""
    shop.take(
        "events", PURCHASES, shop.write("s.csv", "customer,at,product,pieces,price\nc1,2024-01-01 00:00:01,p1,2,1.5\n")
    )
    content = [
        "amount=3.0",
        "customer_id=c1",
        "occurred_at=1704067201000000",
        "product_id=p1",
        "quantity=2.0",
        "type=purchase",
    ]
    expected = hashlib.sha256("\x1f".join(content).encode()).hexdigest()[:32]
    assert shop.rows("events", "event_id") == [(expected,)]


def test_a_column_that_is_empty_does_not_change_an_events_id(shop: Shop) -> None:
    narrow = shop.write("narrow.csv", "customer,at,product,pieces,price\nc1,2024-01-01,p1,2,1.5\n")
    wide = shop.write("wide.csv", "customer,at,product,pieces,price,shop\nc1,2024-01-01,p1,2,1.5,\n")
    shop.take("events", PURCHASES, narrow)
    report = shop.take("events", PURCHASES.replace("type:", "store: shop\n  type:"), wide)
    assert counts(report) == {"rows": 1, "duplicates": 1}


def test_repeated_lines_are_kept_where_the_mapping_says_so(shop: Shop) -> None:
    line = "c1,2024-01-01,p1,1,1\n"
    once, twice, thrice = (
        shop.write(f"{count}.csv", "customer,at,product,pieces,price\n" + line * count) for count in (1, 2, 3)
    )
    keep = PURCHASES + "repeats: keep\n"
    assert counts(shop.take("events", keep, twice)) == {"rows": 2, "added": 2}
    assert counts(shop.take("events", keep, twice)) == {"rows": 2, "duplicates": 2}
    assert counts(shop.take("events", keep, once)) == {"rows": 1, "duplicates": 1}
    assert counts(shop.take("events", keep, thrice)) == {"rows": 3, "added": 1, "duplicates": 2}
    assert counts(shop.take("events", keep, once, twice)) == {"rows": 3, "duplicates": 3}
    assert len(set(shop.rows("events", "event_id"))) == 3


def test_an_id_of_the_file_is_kept(shop: Shop) -> None:
    mapping = PURCHASES.replace("columns:", "columns:\n  event_id: id")
    path = shop.write(
        "s.jsonl.gz",
        '{"id": "e1", "customer": 17, "at": "2024-01-01", "product": "p", "pieces": 1, "price": 2}\n'
        '{"id": "e1", "customer": 18, "at": "2024-01-01", "product": "p", "pieces": 1, "price": 2}\n'
        '{"customer": 18, "at": "2024-01-01", "product": "p", "pieces": 1, "price": 2}\n',
    )
    report = shop.take("events", mapping, path)
    assert counts(report) == {"rows": 3, "added": 2, "duplicates": 1}
    assert ("e1", "17") in shop.rows("events", "event_id", "customer_id"), "the first one stays"


def test_two_formats_one_table(shop: Shop) -> None:
    pl.DataFrame(
        {"id": [1, 2], "mail": ["a@x.example", None], "country": ["DE", "DE"], "points": [5, None]}
    ).write_parquet(shop.folder / "p.parquet")
    json_lines = shop.write("p.jsonl", '{"id": 3, "mail": "c@x.example", "country": "NA", "points": 7.5}\n')
    report = shop.take("customers", PEOPLE, shop.folder / "p.parquet", json_lines)
    assert counts(report) == {"rows": 3, "added": 3, "notes": 1}
    assert shop.rows("customers", "customer_id", "email", "country", "points") == [
        ("1", "a@x.example", "DE", 5),
        ("2", None, "DE", None),
        ("3", "c@x.example", None, None),
    ]
    assert shop.quarantined()[0]["reason"] == "is not a whole number"


def test_types_of_the_file_mean_what_their_text_means(shop: Shop) -> None:
    """Whatever a column is used for, and whatever counts as empty: Parquet gives what the same in JSON gives."""
    mapping = """
table: events
columns:
  event_id: {template: "{no}-{customer}"}
  customer_id: customer
  occurred_at: at
  type: {column: kind, values: {"1": purchase, "2": view}}
  quantity: pieces
  amount: {multiply: [pieces, price], minus: off}
  store: {first: [shop, branch]}
  gift: gift
  day: day
  score: score
types: {gift: boolean, day: date, score: integer}
skip:
  - {column: pieces, at_most: 0, reason: return}
  - {column: kind, is: "3", reason: test}
empty_words: ["NaN", WORDS]
"""
    frame = pl.DataFrame(
        {
            "no": [1, 2, 3, 4, 5, 6],
            "customer": [7.0, 8.0, None, 9.0, 9.0, 10.0],
            "at": [datetime(2024, 1, day, 10, 30, tzinfo=UTC) for day in (1, 2, 3, 4, 5, 6)],
            "kind": [1, 2, 1, 3, 1, 2],
            "pieces": [2, -1, 1, 1, 99, 4],
            "price": [1.5, 2.0, math.nan, 1.0, math.inf, None],
            "off": [0.5, None, None, None, None, math.nan],
            "shop": [None, 4, 4, 4, None, 5],
            "branch": [1.0, 2.0, 3.0, 4.0, 5.5, 6.0],
            "gift": [True, False, None, True, True, False],
            "day": [date(2024, 1, 2), None, date(2024, 1, 4), None, None, date(2024, 1, 5)],
            "score": [1.0, 2.0, 3.5, 4.0, 5.5, -6.0],
        },
        strict=False,
    )
    frame.write_parquet(shop.folder / "e.parquet")
    texts = [
        {name: value if isinstance(value, bool | int | None) else str(value) for name, value in row.items()}
        for row in frame.rows(named=True)
    ]
    lines = [json.dumps(row).replace('"nan"', '"NaN"') for row in texts]
    written = shop.write("e.jsonl", "\n".join(lines))
    found = []
    for words in ('"99"', '"-6.0"', '"false"', '"5.5"', "x"):
        for path in (shop.folder / "e.parquet", written):
            folder = Path(tempfile.mkdtemp(dir=shop.folder))
            fresh = Shop(folder, shop.registry)
            report = fresh.take("events", mapping.replace("WORDS", words), path)
            names = ("quantity", "amount", "store", "gift", "day", "score", "occurred_at", "type")
            found.append((counts(report), report.skipped, fresh.rows("events", "event_id", *names), fresh.faults()))
            fresh.warehouse.close()
        assert found[-2] == found[-1]
    assert len({repr(one) for one in found}) == 5, "each word means something"


def test_values_from_templates_constants_and_words(shop: Shop) -> None:
    mapping = """
table: customers
columns:
  customer_id: household
  email: {template: "hh{customer_id}@example.test"}
  first_name: {template: "{title} {name}"}
  language: {constant: de}
  tier: {column: level, values: {"1": gold, "2": silver}, otherwise: none}
  region: {first: [area, country], lower: true}
  family: {column: name, until: "-"}
"""
    path = shop.write(
        "h.csv", "household,title,name,level,area,country\n17.0,Dr,Berg-Tal,1,,DE\n18,,Öz,7,West,DE\n19,Ms,Li,,,\n"
    )
    shop.take("customers", mapping, path)
    columns = ("customer_id", "email", "first_name", "language", "tier", "region", "family")
    assert shop.rows("customers", *columns) == [
        ("17", "hh17@example.test", "Dr Berg-Tal", "de", "gold", "de", "Berg"),
        ("18", "hh18@example.test", None, "de", "none", "west", "Öz"),
        ("19", "hh19@example.test", "Ms Li", "de", None, None, "Li"),
    ]


def test_consent_comes_after_the_commit_and_only_for_rows_that_were_taken(shop: Shop) -> None:
    mapping = (
        PEOPLE
        + """
consent:
  source: newsletter list of 2024
  email:
    promotions: granted
    newsletter: {column: agrees, granted: [ja]}
"""
    )
    path = shop.write(
        "p.csv",
        "id,mail,country,agrees\nc1,a@x.example,DE,Ja\nc2,b@x.example,DE,nein\nc3,c@x.example,DE,\n,d@x.example,DE,ja\n",
    )
    shop.take("customers", mapping, path)
    assert sorted(pl.concat(shop.consents).rows()) == [
        ("c1", "email", "newsletter", True, "newsletter list of 2024", "a@x.example", None),
        ("c1", "email", "promotions", True, "newsletter list of 2024", "a@x.example", None),
        ("c2", "email", "newsletter", False, "newsletter list of 2024", "b@x.example", None),
        ("c2", "email", "promotions", True, "newsletter list of 2024", "b@x.example", None),
        ("c3", "email", "promotions", True, "newsletter list of 2024", "c@x.example", None),
    ]


def test_frames_beyond_the_first_behave_the_same(shop: Shop) -> None:
    lines = "".join(f"c{number % 7},2024-01-01 00:00:00,p{number},1,2\n" for number in range(100_050))
    path = shop.write("big.csv", "customer,at,product,pieces,price\n" + lines + "c1,never,p,1,1\n")
    report = shop.take("events", PURCHASES + "repeats: keep\n", path)
    assert counts(report) == {"rows": 100_051, "added": 100_050, "quarantined": 1}
    assert shop.progress == [100_000, 100_051]
    assert shop.quarantined()[0]["row"] == "100051"


def test_a_plugin_observes_what_was_recorded(tmp_path: Path) -> None:
    (tmp_path / "observer.py").write_text(OBSERVER)
    registry = load_plugins(tmp_path)
    shop = Shop(tmp_path, registry)
    shop.take("customers", PEOPLE, shop.write("p.csv", "id,mail,country\nc1,a@x.example,DE\n,b@x.example,DE\n"))
    shop.warehouse.close()
    assert (tmp_path / "observed.txt").read_text() == "customers 1 1\n"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("p.csv", "id,email,country\nc1,a,DE\n", "p.csv: the mapping mapping.yaml needs columns that the file doesn't "
         "have: 'mail' (did you mean 'email'?); it has 'id', 'email', 'country'"),
        ("p.xlsx", "PK", "p.xlsx: no source reads files that end in '.xlsx'; there are: .csv, .jsonl, .ndjson, "
         ".parquet, .tsv, each also with .gz"),
        ("p", "", "p: no source reads files that end in 'nothing'; there are: .csv, .jsonl, .ndjson, .parquet, .tsv, "
         "each also with .gz"),
        ("p.csv", "id,mail,country\nc1,a@x.example,DE\nc2\n", "p.csv: row 2: 1 fields, but the header has 3"),
        ("p.jsonl", '{"id": 1, "mail": 2, "country": 3}\n{"id"\n',
         "p.jsonl: row 2: not valid JSON: Expecting ':' delimiter: line 1 column 6 (char 5)"),
    ],
)  # fmt: skip
def test_a_broken_file_changes_nothing_even_after_a_good_one(
    shop: Shop, name: str, content: str, expected: str
) -> None:
    good = shop.write("good.csv", "id,mail,country\nc1,a@x.example,DE\n")
    with pytest.raises(SourceError) as caught:
        shop.take("customers", PEOPLE, good, shop.write(name, content))
    assert str(caught.value).replace(str(shop.folder) + "/", "") == expected
    assert shop.warehouse.table("customers").count().to_polars() == 0
    assert shop.consents == []


def test_a_mapping_of_another_table(shop: Shop) -> None:
    with pytest.raises(SourceError, match=r"p\.csv: the mapping mapping\.yaml is for customers, not for products"):
        shop.take("products", PEOPLE, shop.write("p.csv", "id\n1\n"))


def test_wrong_options_for_the_source(shop: Shop) -> None:
    path = shop.write("p.csv", "id,mail,country\n1,,\n")
    with pytest.raises(ConfigurationError, match=r"mapping\.yaml: options\.encoding: 'x' is not an encoding"):
        shop.take("customers", PEOPLE + "options: {encoding: x}\n", path)
    with pytest.raises(ConfigurationError, match=r"mapping\.yaml: options\.sep: Extra inputs"):
        shop.take("customers", PEOPLE + 'options: {sep: ";"}\n', path)


def test_a_default_that_is_no_value(shop: Shop) -> None:
    path = shop.write("s.csv", "customer,at,product,pieces,price\nc1,2024-01-01,p1,2,1.5\n")
    with pytest.raises(ConfigurationError, match=r"columns\.quantity\.default: 'one' is not a number"):
        shop.take("events", PURCHASES.replace("default: 1}", "default: one}"), path)


def test_a_trait_that_changes_its_type(shop: Shop) -> None:
    path = shop.write("p.csv", "id,mail,country,points\nc1,a@x.example,DE,5\n")
    shop.take("customers", PEOPLE, path)
    with pytest.raises(
        AutomationError, match="column 'points' has the type integer in the warehouse and text in the new data"
    ):
        shop.take("customers", PEOPLE.replace("types: {points: integer}", ""), path)


def test_a_file_without_rows_is_a_warning(shop: Shop) -> None:
    path = shop.write("p.csv", "id,mail,country\n")
    report = shop.take("customers", PEOPLE, path)
    assert counts(report) == {}
    assert report.warnings == (f"{path}: it has no rows",)


CELLS = st.sampled_from(
    ["", " ", "NA", "c1", "c2", "-1", "0", "1", "2.5", "1e999", "nan", "2024-01-01", "2024-01-01 10:00:00",
     "2031-01-01", "31.1.2024", "x\ny", '"', "a,b", "=1", "\u2620", "c1.0"]
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS, CELLS), min_size=1, max_size=12), st.sampled_from(["drop", "keep"])
)
def test_whatever_a_file_holds_every_row_is_accounted_for(
    registry: Registry, rows: list[tuple[str, ...]], repeats: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder), registry)
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerows([("customer", "at", "product", "pieces", "price"), *rows])
        path = shop.write("s.csv", text.getvalue())
        first = shop.take("events", PURCHASES + f"repeats: {repeats}\n", path)
        assert first.rows == len(rows)
        assert len(
            {row["row"] for row in shop.quarantined() if row["kind"] == "row"} if first.quarantine_file else ()
        ) == (first.quarantined)
        again = shop.take("events", PURCHASES + f"repeats: {repeats}\n", path)
        assert again.added == 0
        assert (again.duplicates, again.quarantined, again.skipped) == (
            first.added + first.duplicates,
            first.quarantined,
            first.skipped,
        )
        assert shop.warehouse.table("events").count().to_polars() == first.added
        shop.warehouse.close()
