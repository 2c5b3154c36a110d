"""How a language writes numbers, money and dates; a shop's layouts may say it of a language of its own."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from automation.messages.template.files import TemplateError
from automation.messages.template.texts import Phrase
from automation.types.language import FALLBACK, nearest_language

_NB = "\u00a0"
_THIN = "\u202f"


@dataclass(frozen=True)
class Locale:
    """Patterns after Unicode CLDR 46."""

    decimal_sign: str
    thousands_sign: str
    money_format: str  # {number}, {symbol}
    percent_format: str  # {number}
    date_format: str  # {day}, {month}, {year}
    months: tuple[str, ...]


def _months(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(","))


LOCALES: Mapping[str, Locale] = {
    "en": Locale(
        ".", ",", "{symbol}{number}", "{number}%", "{day} {month} {year}",
        _months("January, February, March, April, May, June, July, August, September, October, November, December"),
    ),
    "de": Locale(
        ",", ".", f"{{number}}{_NB}{{symbol}}", f"{{number}}{_NB}%", "{day}. {month} {year}",
        _months("Januar, Februar, März, April, Mai, Juni, Juli, August, September, Oktober, November, Dezember"),
    ),
    "fr": Locale(
        ",", _THIN, f"{{number}}{_NB}{{symbol}}", f"{{number}}{_THIN}%", "{day} {month} {year}",
        _months("janvier, février, mars, avril, mai, juin, juillet, août, septembre, octobre, novembre, décembre"),
    ),
    "es": Locale(
        ",", ".", f"{{number}}{_NB}{{symbol}}", f"{{number}}{_NB}%", "{day} de {month} de {year}",
        _months("enero, febrero, marzo, abril, mayo, junio, julio, agosto, septiembre, octubre, noviembre, diciembre"),
    ),
}  # fmt: skip
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "money_format": ("number", "symbol"),
    "percent_format": ("number",),
    "date_format": ("day", "month", "year"),
}
MONTHS = "months"
TEXTS = ("decimal_sign", "thousands_sign", *_FIELDS, MONTHS)
"""The names of the texts that say it, in a template's language file or in the shared one."""


def is_known(language: str) -> bool:
    """Whether the program knows how the language writes dates and money."""
    return not language or nearest_language(language, LOCALES) is not None


def locale_of(language: str, phrases: Mapping[str, Phrase] | None = None) -> Locale:
    """The language's locale, English for one that is not known, with what the phrases change.

    Raises `TemplateError` with the file and line of a phrase that can't be used.
    """
    known = LOCALES[nearest_language(language, LOCALES) or FALLBACK]
    changes: dict[str, Any] = {name: _read(name, phrase) for name, phrase in (phrases or {}).items() if name in TEXTS}
    return replace(known, **changes) if changes else known


def _read(name: str, phrase: Phrase) -> str | tuple[str, ...]:
    if name == MONTHS:
        months = _months(phrase.text)
        if len(months) != 12 or not all(months):
            raise TemplateError(phrase.file, phrase.line, f"{name}: write the twelve months, with commas between them")
        return months
    if name in _FIELDS and _fields(phrase.text) != sorted(_FIELDS[name]):
        wanted = " and ".join(f"{{{field}}}" for field in _FIELDS[name])
        raise TemplateError(phrase.file, phrase.line, f"{name}: must have {wanted}, each once, and no others")
    return phrase.text


def _fields(text: str) -> list[str] | None:
    try:
        parts = [part for part in string.Formatter().parse(text) if part[1] is not None]
    except ValueError:
        return None
    return None if any(spec or conversion for *_, spec, conversion in parts) else sorted(str(part[1]) for part in parts)
