"""Checks of texts with a fixed form: addresses, countries, languages, time zones, links."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Mapping
from types import MappingProxyType

import polars as pl

from automation.types.web_link import WEB_LINK
from automation.warehouse.importing.parsed import Parsed, accept

# One @, a dot in the domain, no quoting: what mail systems deliver, less than RFC 5322 allows.
_EMAIL = (
    r"^[^\s@<>(){},;:\\\"\[\]\p{Cc}.]+(\.[^\s@<>(){},;:\\\"\[\]\p{Cc}.]+)*"
    r"@([\p{L}\p{N}]([\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+(\p{L}{2,63}|xn--[a-z0-9-]{2,59})$"
)
_PHONE = r"^\+?\d{6,15}$"
_LANGUAGE = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
_REPEATED = 10  # check each word once if it is repeated this often on average
_LINK = f"^(?:{WEB_LINK})$"


def _email(parsed: Parsed) -> Parsed:
    """In lower case: no provider in use distinguishes cases, and people type either."""
    address = parsed.values.str.to_lowercase()
    wrong = ~address.str.contains(_EMAIL) | (address.str.len_bytes() > 254)
    wrong |= address.str.split("@").list.first().str.len_bytes() > 64
    return Parsed(address, parsed.fault).refuse(wrong, "is not an e-mail address")


def _phone(parsed: Parsed) -> Parsed:
    """Digits and a leading plus: 00 becomes +, and the (0) of +49 (0)30 is removed."""
    number = (
        parsed.values.str.replace(r"^(\+|00)(.*)\(0\)", "+$2")
        .str.replace_all(r"[\s./()-]", "")
        .str.replace(r"^00", "+")
    )
    return Parsed(number, parsed.fault).refuse(~number.str.contains(_PHONE), "is not a phone number")


def _country(parsed: Parsed) -> Parsed:
    code = parsed.values.str.to_uppercase().replace("UK", "GB")
    return Parsed(code, parsed.fault).refuse(~code.str.contains("^[A-Z]{2}$"), "is not a country code such as DE")


def _currency(parsed: Parsed) -> Parsed:
    code = parsed.values.str.to_uppercase()
    return Parsed(code, parsed.fault).refuse(~code.str.contains("^[A-Z]{3}$"), "is not a currency code such as EUR")


def _language(parsed: Parsed) -> Parsed:
    """`de_DE` becomes `de-DE`."""
    tag = parsed.values.str.replace_all("_", "-", literal=True)
    tag = tag.str.extract("^([^-]*)").str.to_lowercase() + tag.str.extract("^[^-]*(.*)$")
    return Parsed(tag, parsed.fault).refuse(~tag.str.contains(_LANGUAGE), "is not a language such as de or pt-BR")


def _timezone(parsed: Parsed) -> Parsed:
    known = pl.Series(sorted(zoneinfo.available_timezones()))
    return parsed.refuse(~parsed.values.is_in(known.implode()), "is not a time zone such as Europe/Berlin")


def _link(parsed: Parsed) -> Parsed:
    """Only http and https, with a host that every parser reads in the same way: `types.web_link`."""
    return parsed.refuse(~parsed.values.str.contains(_LINK), "is not an http or https link")


def _by_word(check: Callable[[Parsed], Parsed]) -> Callable[[Parsed], Parsed]:
    """Check each distinct value once if there are few."""

    def checked(parsed: Parsed) -> Parsed:
        words = parsed.values.unique()
        if len(words) * _REPEATED > len(parsed.values) or parsed.fault.null_count() < len(parsed.fault):
            return check(parsed)
        found = check(accept(words))
        if found.values.equals(words):
            return parsed
        known = pl.DataFrame({"word": words, "value": found.values, "fault": found.fault})
        read = pl.DataFrame({"word": parsed.values}).join(
            known, on="word", how="left", nulls_equal=True, maintain_order="left"
        )
        return Parsed(read["value"], read["fault"])

    return checked


CHECKS: Mapping[str, Callable[[Parsed], Parsed]] = MappingProxyType(
    {
        "email": _email,
        "phone": _phone,
        "country": _by_word(_country),
        "currency": _by_word(_currency),
        "language": _by_word(_language),
        "timezone": _by_word(_timezone),
        "url": _link,
        "image_url": _link,
    }
)
