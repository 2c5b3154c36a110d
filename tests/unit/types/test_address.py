"""Which spellings of an address are one."""

from __future__ import annotations

import polars as pl
import pytest

from automation.types.address import domain_of, normalise, normalised

SAME = [
    ("Ana@Example.ORG", "ana@example.org"),
    ("  ana@example.org\t", "ana@example.org"),
    ("\u200bana@example.org\ufeff", "ana@example.org"),
    ("ana@example.org.", "ana@example.org"),
    ("Ana@Bücher.example", "ana@xn--bcher-kva.example"),
    ("ana@XN--BCHER-KVA.example", "ana@xn--bcher-kva.example"),
    ("ana@ｅｘａｍｐｌｅ.org", "ana@example.org"),
    ("ana@Bu\u0308cher.example", "ana@xn--bcher-kva.example"),
    ("@Bücher.Example", "@xn--bcher-kva.example"),
    ("+49 (0)30 123456", "+4930123456"),
    ("0049 30 12 34 56", "+4930123456"),
    ("+49-30/123456", "+4930123456"),
    ("+4930123456", "+4930123456"),
    ("030 123456", "030123456"),
    ("fcm:AbC_def-1", "fcm:AbC_def-1"),
    ('{"endpoint": "https://push.example/a@b"}', '{"endpoint": "https://push.example/a@b"}'),
]


@pytest.mark.parametrize(("written", "expected"), SAME)
def test_one_address_has_one_form(written: str, expected: str) -> None:
    assert normalise(written) == expected
    assert normalise(expected) == expected


def test_a_batch_is_normalised_as_each_of_it() -> None:
    written = pl.Series([written for written, _ in SAME] + [None])
    assert normalised(written).to_list() == [expected for _, expected in SAME] + [None]


def test_a_sharp_s_is_not_two() -> None:
    assert normalise("a@straße.example") == "a@xn--strae-oqa.example"


def test_a_number_without_country_code_is_read_in_its_region() -> None:
    assert normalise("030 123456", "DE") == "+4930123456"
    assert normalise("(212) 555-0123", "US") == "+12125550123"
    assert normalise("06 12 34 56 78", "FR") == "+33612345678"


def test_what_is_no_possible_number_stays() -> None:
    assert normalise("12345678901234567", "DE") == "12345678901234567"


def test_the_domain_of_an_address() -> None:
    assert domain_of("ana@example.org") == "@example.org"
    assert domain_of("+4930123456") == ""
