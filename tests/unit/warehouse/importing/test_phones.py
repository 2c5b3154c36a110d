"""Numbers become E.164 by the customer's country, as Google's library reads them one by one."""

from __future__ import annotations

import phonenumbers
import polars as pl
import pytest

from automation.warehouse.importing.phones import international


def people(*rows: tuple[str | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"phone": pl.String, "country": pl.String}, orient="row")


def test_a_national_number_gets_the_code_of_its_country() -> None:
    found = international(
        people(("030123456", "DE"), ("2125550123", "US"), ("12125550123", "US"), ("0612345678", "FR"),
               ("3331234567", "IT"), ("+4930123456", "US"), ("030123456", None), (None, "DE")), None,
    )  # fmt: skip
    assert found["phone"].to_list() == [
        "+4930123456", "+12125550123", "+12125550123", "+33612345678", "+393331234567", "+4930123456", "030123456",
        None,
    ]  # fmt: skip
    assert found.columns == ["phone", "country"]


def test_the_mapping_s_country_counts_where_the_row_has_none() -> None:
    assert international(people(("030123456", None)), "DE")["phone"].to_list() == ["+4930123456"]
    assert international(pl.DataFrame({"phone": ["030123456"]}), "DE")["phone"].to_list() == ["+4930123456"]
    assert international(pl.DataFrame({"email": ["a@x.example"]}), "DE").columns == ["email"]


@pytest.mark.parametrize("region", ["DE", "AT", "CH", "FR", "GB", "NL", "US", "CA", "IT", "ES", "PL", "AU", "ZA"])
def test_it_reads_numbers_as_the_library_does(region: str) -> None:
    numbers = [f"{start}{middle}{end}" for start in ("0", "", "1", "49", "33")
               for middle in ("30", "650", "2125", "79") for end in ("1234", "123456", "12345678", "1234567890")
               ]  # fmt: skip
    found = international(people(*((number, region) for number in numbers)), None)["phone"].to_list()
    assert found == [by_the_library(number, region) for number in numbers]


def by_the_library(number: str, region: str) -> str:
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return number
    if not phonenumbers.is_possible_number(parsed):
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
