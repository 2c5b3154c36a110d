"""The normalised form in which e-mail addresses and phone numbers are stored and compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

if TYPE_CHECKING:
    import polars as pl

ADDRESS_COLUMN: Mapping[str, str] = {
    "email": "email",
    "phone": "phone",
    "push": "push_token",
    "customer": "customer_id",
}
"""Kind of address → the customers' column that holds it."""
_PHONE = re.compile(r"\+?[\d\s()./–-]{5,}")
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_PLAIN_EMAIL = r"^[\x21-\x3f\x41-\x7e]+@[A-Za-z0-9.-]*[A-Za-z0-9]$"


def _region(text: str) -> str:
    if not re.fullmatch("[A-Z]{2}", text):
        raise ValueError(f"{text!r} is not a country's two letters (ISO 3166); write one such as DE")
    return text


Region = Annotated[str, AfterValidator(_region)]
"""The country whose dialling rules apply to a phone number without a country code."""


def normalise(address: str, region: str | None = None) -> str:
    """The normalised address.

    E-mail: trimmed and in lower case, its domain in ASCII (punycode, RFC 3492; compatibility forms folded, ß kept).
    `@example.org`, a whole domain, likewise. Phone: E.164 (`+4930123456`); a number without a country code is read as
    one of `region` (ISO 3166, such as DE), and keeps its digits if that is not known. Anything else, such as a push
    token: trimmed.
    """
    text = address.strip().strip(_INVISIBLE).strip()
    local, at, domain = text.rpartition("@")
    if at and "/" not in domain and not text.startswith("{"):
        if text.isascii() and not text.endswith("."):
            return text.lower()
        return f"{unicodedata.normalize('NFC', local).lower()}@{ascii_domain(domain)}"
    return _phone(text, region) if _PHONE.fullmatch(text) else text


def normalised(addresses: pl.Series) -> pl.Series:
    """`normalise` for a batch. addresses: String; so is the result, nulls stay null. 0.3 µs a plain e-mail address."""
    import polars as pl

    trimmed = addresses.str.strip_chars()
    plain = trimmed.str.contains(_PLAIN_EMAIL).fill_null(value=False)
    odd = trimmed.filter(~plain).drop_nulls().unique()
    lowered = trimmed.str.to_lowercase()
    if odd.is_empty():
        return lowered
    forms = pl.Series([normalise(address) for address in odd], dtype=pl.String)
    return lowered.zip_with(plain, trimmed.replace_strict(odd, forms, default=None, return_dtype=pl.String))


def domain_of(address: str) -> str:
    """`@example.org` of a normalised e-mail address, else "": the form in which a whole domain is suppressed."""
    _, at, domain = address.rpartition("@")
    return f"@{domain}" if at else ""


def ascii_domain(domain: str) -> str:
    """A domain in lower case and ASCII."""
    labels = unicodedata.normalize("NFKC", domain).lower().rstrip(".").split(".")
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode', 'replace').decode()}" for label in labels
    )


def _phone(text: str, region: str | None) -> str:
    import phonenumbers

    international = re.sub(r"^00", "+", re.sub(r"[^\d+]", "", re.sub(r"^(\+|00)([^(]*)\(0\)", r"+\2", text)))
    try:
        number = phonenumbers.parse(international, region)
    except phonenumbers.NumberParseException:
        return international
    if not phonenumbers.is_possible_number(number):
        return international
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
