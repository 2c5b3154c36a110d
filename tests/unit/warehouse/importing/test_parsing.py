"""Text to values: what is read, and what is refused with which words."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from automation.types.schema import ColumnType
from automation.warehouse.importing.parsing import parse
from automation.warehouse.importing.table_mapping import TableMapping

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)


def mapping(**settings: Any) -> TableMapping:
    return TableMapping.model_validate({"table": "customers", "columns": {"customer_id": "id"}, **settings})


def read(text: str | None, kind: ColumnType, name: str = "x", **settings: Any) -> tuple[Any, str | None]:
    # A second, hopeless value: a column in which everything is well takes another, faster way.
    for company in ([], ["\u2620"]):
        parsed = parse(pl.Series([text, *company], dtype=pl.String), name, kind, mapping(**settings), NOW)
        found = parsed.values[0], parsed.fault[0]
        if not company:
            alone = found
    assert alone == found, "a value is read the same whatever stands beside it"
    return found


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "decimal", "expected"),
    [
        ("12.5", "point", 12.5),
        ("-3", "point", -3.0),
        (".5", "point", 0.5),
        ("1e3", "point", 1000.0),
        ("1,234.50", "point", 1234.5),
        ("$1,234", "point", 1234.0),
        ("12,90 €", "comma", 12.9),
        ("1.234,50", "comma", 1234.5),
        ("1 234,50", "comma", 1234.5),
        ("1.500", "comma", 1500.0),
        ("12,90", "point", None),
        ("1,23,4", "point", None),
        ("inf", "point", None),
        ("-infinity", "point", None),
        ("1e999", "point", None),
        ("0x10", "point", None),
        ("12 pieces", "point", None),
        ("1_000", "point", None),
    ],
)
def test_numbers(text: str, decimal: str, expected: float | None) -> None:
    value, fault = read(text, "number", decimal=decimal)
    assert value == expected
    assert fault == (None if expected is not None else "is not a number")


@pytest.mark.parametrize(("text", "expected"), [("3", 3), ("3.0", 3), ("3.5", None), ("9007199254740993", None)])
def test_integers(text: str, expected: int | None) -> None:
    value, fault = read(text, "integer")
    assert value == expected
    assert (fault is None) == (expected is not None)


@pytest.mark.parametrize(("text", "expected"), [("Yes", True), ("0", False), ("TRUE", True), ("n", False)])
def test_booleans(text: str, expected: bool) -> None:
    assert read(text, "boolean") == (expected, None)
    assert read("maybe", "boolean") == (None, "is neither yes nor no")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-31 18:30:05", utc(2024, 1, 31, 17, 30, 5)),  # Berlin, winter
        ("2024-05-31T18:30:05", utc(2024, 5, 31, 16, 30, 5)),  # Berlin, summer
        ("2024-01-31 18:30", utc(2024, 1, 31, 17, 30)),
        ("2024-01-31", utc(2024, 1, 30, 23)),
        ("2024-01-31T18:30:05Z", utc(2024, 1, 31, 18, 30, 5)),
        ("2024-01-31 18:30:05 UTC", utc(2024, 1, 31, 18, 30, 5)),
        ("2024-01-31T18:30:05.123456+02:00", utc(2024, 1, 31, 16, 30, 5, 123456)),
        ("2024-01-31 18:30:05 -0500", utc(2024, 1, 31, 23, 30, 5)),
        ("2024-01-31 18:30:05+05", utc(2024, 1, 31, 13, 30, 5)),
        ("2023-10-29 02:30:00", utc(2023, 10, 29, 0, 30)),  # twice on that night: the earlier
        ("2024-03-31 02:30:00", utc(2024, 3, 31, 1, 30)),  # skipped: 03:30 summer time
    ],
)
def test_times_in_the_mappings_zone(text: str, expected: datetime) -> None:
    assert read(text, "time", timezone="Europe/Berlin") == (expected, None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("31.01.2024", "is not a time such as 2024-12-31 18:00:00"),
        ("2024-02-30", "is not a time such as 2024-12-31 18:00:00"),
        ("0000-00-00 00:00:00", "is not a time such as 2024-12-31 18:00:00"),
        ("2024-01-31 25:00", "is not a time such as 2024-12-31 18:00:00"),
        ("2024-06-02 12:00:01", "is in the future"),
        ("1969-12-31 23:59:59", "is before 1970"),
    ],
)
def test_impossible_times(text: str, fault: str) -> None:
    assert read(text, "time") == (None, fault)
    assert read("2024-06-02 12:00:00", "time")[1] is None, "a day ahead is still a clock that is wrong"


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("time", ["2024-01-31 18:30:05", "2024-01-31T18:30:05Z", "2024-01-31", "2024-1-31 18:30:05", "never", None,
                  "2024-03-31 02:30:00", "2024-01-31 18:30:05.5+02", "2024-01-31 18:30", "2024-02-30 00:00:00"]),
        ("number", ["1", "1,234.50", "inf", "nan", "$3", "x", "1e3", None, "1e999", ".5"]),
    ],
)  # fmt: skip
def test_a_value_is_read_the_same_whatever_stands_beside_it(kind: ColumnType, texts: list[str | None]) -> None:
    alone = [read(text, kind, timezone="Europe/Berlin") for text in texts]
    for first in range(len(texts)):  # the fast way is chosen by the first value
        turned = texts[first:] + texts[:first]
        parsed = parse(pl.Series(turned, dtype=pl.String), "x", kind, mapping(timezone="Europe/Berlin"), NOW)
        assert list(zip(parsed.values, parsed.fault, strict=True)) == alone[first:] + alone[:first]


@pytest.mark.parametrize(
    ("value", "dtype", "kind", "expected"),
    [
        (3, pl.Int8(), "number", 3.0),
        (2**53, pl.Int64(), "integer", "is not a whole number"),
        (3.0, pl.Float64(), "integer", 3),
        (3.5, pl.Float64(), "integer", "is not a whole number"),
        (math.inf, pl.Float64(), "number", "is not a number"),
        (True, pl.Boolean(), "boolean", True),
        (date(2024, 1, 31), pl.Date(), "date", date(2024, 1, 31)),
        (datetime(2023, 10, 29, 2, 30), pl.Datetime("us"), "time", utc(2023, 10, 29, 0, 30)),  # noqa: DTZ001
        (utc(2024, 1, 31, 18), pl.Datetime("us", "UTC"), "time", utc(2024, 1, 31, 18)),
        (utc(2025, 1, 31, 18), pl.Datetime("us", "UTC"), "time", "is in the future"),
    ],
)
def test_a_value_that_has_its_type_already(value: Any, dtype: pl.DataType, kind: ColumnType, expected: Any) -> None:
    raw = pl.Series([value, None], dtype=dtype)
    parsed = parse(raw, "x", kind, mapping(timezone="Europe/Berlin", decimal="comma"), NOW)
    assert (parsed.fault[0] or parsed.values[0]) == expected
    assert (parsed.values[1], parsed.fault[1]) == (None, None)


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("31.01.2024 18:30", "%d.%m.%Y %H:%M", utc(2024, 1, 31, 18, 30)),
        ("31.01.2024", "%d.%m.%Y", utc(2024, 1, 31)),
        ("01/31/2024", "%m/%d/%Y", utc(2024, 1, 31)),
        ("881250949", "epoch", utc(1997, 12, 4, 15, 55, 49)),
        ("881250949500", "epoch_ms", utc(1997, 12, 4, 15, 55, 49, 500_000)),
        ("31/Jan/2024 18:30:00 +0100", "%d/%b/%Y %H:%M:%S %z", utc(2024, 1, 31, 17, 30)),
        ("2024-01-31 18:30", "iso", utc(2024, 1, 31, 18, 30)),
        ("2024-01-31T18:30:00 GMT", "iso", utc(2024, 1, 31, 18, 30)),
    ],
)
def test_times_as_the_mapping_writes_them(text: str, form: str, expected: datetime) -> None:
    assert read(text, "time", times=[form]) == (expected, None)
    assert read(text, "time", times=["%Y", form]) == (expected, None)


def test_only_the_mappings_formats_are_tried() -> None:
    """03/04/2024 is never guessed at, and neither is ISO when another format was given."""
    assert read("2024-01-31", "time", times=["%d.%m.%Y"]) == (None, "is not a time such as %d.%m.%Y")


@pytest.mark.parametrize("text", ["20240131", "2024", "99999999"])
def test_a_day_in_digits_is_no_second_of_1970(text: str) -> None:
    fault = "is not a time such as 2024-12-31 18:00:00 or 1735668000"
    assert read(text, "time", times=["iso", "epoch"]) == (None, fault)


@pytest.mark.parametrize(
    ("text", "expected", "fault"),
    [
        ("1990-02-28", date(1990, 2, 28), None),
        ("1990-02-28 00:00:00", date(1990, 2, 28), None),
        ("1969-07-21", date(1969, 7, 21), None),
        ("1899-12-31", None, "is before 1900"),
        ("2024-06-02", None, "is in the future"),
        ("1990-02-29", None, "is not a time such as 2024-12-31 18:00:00"),
    ],
)
def test_birthdays(text: str, expected: date | None, fault: str | None) -> None:
    assert read(text, "date", "birthday") == (expected, fault)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ana@Example.COM", "ana@example.com"),
        ("o'neill+news@mail.example.co.uk", "o'neill+news@mail.example.co.uk"),
        ("jörg@müller.example", "jörg@müller.example"),
        ("a@xn--mller-kva.xn--p1ai", "a@xn--mller-kva.xn--p1ai"),
        ("ana", None),
        ("ana@localhost", None),
        ("ana@@example.com", None),
        ("ana@example..com", None),
        (".ana@example.com", None),
        ("ana.@example.com", None),
        ("ana@-example.com", None),
        ("Ana <ana@example.com>", None),
        ("ana@example.com, ben@example.com", None),
        ("ana @example.com", None),
        ("a" * 65 + "@example.com", None),
        ("ana@" + "x" * 60 + ".example" * 30 + ".com", None),
    ],
)
def test_email_addresses(text: str, expected: str | None) -> None:
    fault = None if expected else "is not an e-mail address"
    assert read(text, "text", "email") == (expected, fault)


def test_control_characters_never_reach_an_address_or_an_id() -> None:
    for name in ("email", "customer_id"):
        assert read("a@example.com\r\nBcc: b@example.com", "text", name) == (None, "holds control characters")
    assert read("Ana\r\nBcc: b@example.com", "text", "first_name") == ("Ana Bcc: b@example.com", None)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("phone", "+49 (0)30 / 1234-567", "+49301234567"),
        ("phone", "0049 30 1234567", "+49301234567"),
        ("phone", "030 1234567", "0301234567"),
        ("phone", "12", None),
        ("phone", "call me", None),
        ("country", "de", "DE"),
        ("country", "uk", "GB"),
        ("country", "Germany", None),
        ("currency", "eur", "EUR"),
        ("currency", "€", None),
        ("language", "de_AT", "de-AT"),
        ("language", "EN", "en"),
        ("language", "german!", None),
        ("timezone", "Europe/Berlin", "Europe/Berlin"),
        ("timezone", "Berlin", None),
        ("url", "https://shop.example/p/1?x=ä", "https://shop.example/p/1?x=ä"),
        ("url", "javascript:alert(1)", None),
        ("url", "HTTPS://Shop.example:8443?x=1", "HTTPS://Shop.example:8443?x=1"),
        ("url", "http://[", None),
        ("url", "http://[::1]/", None),
        ("url", "https://shop.example@evil.example/", None),
        ("url", "https://evil.example\\@shop.example/", None),
        ("url", "https://℀.example/", None),
        ("url", "https://shop.example:port/", None),
        ("parcel_url", "http://[", None),
        ("parcel_link", "javascript:alert(1)", None),
        ("image_url", "//cdn.example/1.png", None),
        ("customer_id", "17850.0", "17850"),
        ("product_id", "1.0-b", "1.0-b"),
        ("order_id", "#1001", "#1001"),
        ("customer_id", "x" * 201, None),
        ("customer_id", "a\ufffd", None),
        ("email", "a\ufffd@b.example", None),
        ("first_name", "a\ufffd", "a\ufffd"),
        ("postcode", "01067", "01067"),
        ("note", "x" * 10_001, None),
    ],
)
def test_texts_with_a_form(name: str, text: str, expected: str | None) -> None:
    value, fault = read(text, "text", name)
    assert value == expected
    assert (fault is None) == (expected is not None)


def test_a_price_below_zero_is_refused_and_a_stock_is_not() -> None:
    assert read("-1", "number", "price") == (None, "is negative")
    assert read("0", "number", "price") == (0.0, None)
    assert read("-1", "number", "stock") == (-1.0, None)


@pytest.mark.parametrize("kind", ["text", "number", "integer", "boolean", "date", "time"])
def test_nothing_stays_nothing(kind: ColumnType) -> None:
    assert read(None, kind) == (None, None)
