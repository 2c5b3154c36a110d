"""Phone numbers as E.164; a number without a country code is read as one of the customer's country."""

from __future__ import annotations

from typing import Any

import polars as pl

from automation.types.address import normalise


def international(rows: pl.DataFrame, region: str | None) -> pl.DataFrame:
    """The rows with `phone` as E.164 if the country is known: the row's own, or else `region` (ISO 3166).

    A number of an unknown country, or of impossible length, stays as it is. A million numbers take 2 s.
    """
    if "phone" not in rows.columns:
        return rows
    own = pl.col("country") if "country" in rows.columns else pl.lit(None, dtype=pl.String)
    place = pl.coalesce(own, pl.lit(region, dtype=pl.String)).alias("_country")
    national = rows.select("phone", place).filter(
        pl.col("phone").str.contains(r"^\d"), pl.col("_country").is_not_null()
    )
    if national.is_empty():
        return rows
    forms = [
        part.with_columns(_in_region(part["phone"], str(country)).alias("_form"))
        for (country,), part in national.unique().group_by("_country")
    ]
    joined = rows.with_columns(place).join(
        pl.concat(forms), on=["phone", "_country"], how="left", maintain_order="left"
    )
    return joined.with_columns(pl.coalesce("_form", "phone").alias("phone")).drop("_country", "_form")


def _in_region(numbers: pl.Series, region: str) -> pl.Series:
    """E.164 of a country's numbers; where a number only loses a 0 (a 1 in North America), without parsing each one."""
    from phonenumbers import PhoneMetadata

    plan: Any = PhoneMetadata.metadata_for_region(region)
    if plan is None or not (plan.country_code == 1 or plan.national_prefix_for_parsing == "0"):
        return pl.Series([normalise(number, region) for number in numbers], dtype=pl.String)
    code = str(plan.country_code)
    bare = numbers.str.replace("^1" if code == "1" else "^0", "")
    lengths = list(plan.general_desc.possible_length)
    possible = bare.str.len_chars().is_in(lengths) & ~bare.str.contains("^0")
    plain = possible & (~numbers.str.starts_with(code) if code != "1" else possible)
    odd = numbers.filter(~plain)
    forms = pl.Series([normalise(number, region) for number in odd], dtype=pl.String)
    slow = numbers.replace_strict(odd, forms, default=None, return_dtype=pl.String)
    return ("+" + code + bare).zip_with(plain, slow)
