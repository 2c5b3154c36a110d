"""Numbers, money and dates as a language writes them, and as a shop says that its own language does."""

from __future__ import annotations

import pytest
from support.rendering import renderer
from support.shop_context import shop_context

from automation.messages.template.files import TemplateError

SOURCE = "{{ 1234.5|money }} / {{ 0.125|percent }} / {{ '2026-12-04'|date }} / {{ 1234.5|number(1) }}"
ITALIAN = """
decimal_sign: ","
thousands_sign: "."
money_format: "{number} {symbol}"
percent_format: "{number}%"
date_format: "{day} {month} {year}"
months: gennaio, febbraio, marzo, aprile, maggio, giugno, luglio, agosto, settembre, ottobre, novembre, dicembre
"""


def written(language: str, **files: str) -> str:
    texts = {f"{folder}/{language}.yaml": text for folder, text in files.items()}
    made = renderer({"t/sms.txt": SOURCE, f"t/{language}.yaml": "x: y", **texts})
    return made.render("t", "phone", shop_context(), language=language).text


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "€1,234.50 / 12.5% / 4 December 2026 / 1,234.5"),
        ("de", "1.234,50\u00a0€ / 12,5\u00a0% / 4. Dezember 2026 / 1.234,5"),
        ("fr", "1\u202f234,50\u00a0€ / 12,5\u202f% / 4 décembre 2026 / 1\u202f234,5"),
        ("fr-CA", "1\u202f234,50\u00a0€ / 12,5\u202f% / 4 décembre 2026 / 1\u202f234,5"),
        ("es", "1.234,50\u00a0€ / 12,5\u00a0% / 4 de diciembre de 2026 / 1.234,5"),
        ("it", "€1,234.50 / 12.5% / 4 December 2026 / 1,234.5"),
    ],
)
def test_four_languages_are_known_and_others_are_written_as_english(language: str, expected: str) -> None:
    assert written(language) == expected


def test_a_shop_says_how_its_own_language_writes_them() -> None:
    assert written("it", layouts=ITALIAN) == "1.234,50 € / 12,5% / 4 dicembre 2026 / 1.234,5"


def test_a_template_says_it_for_itself_over_what_the_layouts_say() -> None:
    assert written("it", layouts=ITALIAN, t='date_format: "{day}/{month}/{year}"').endswith("4/dicembre/2026 / 1.234,5")


def test_a_shop_changes_a_known_language() -> None:
    american = written("en-US", layouts='date_format: "{month} {day}, {year}"')
    assert american == "€1,234.50 / 12.5% / December 4, 2026 / 1,234.5"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("months: gennaio, febbraio", "months: write the twelve months, with commas between them"),
        (
            'date_format: "{day} {month}"',
            "date_format: must have {day} and {month} and {year}, each once, and no others",
        ),
        ('money_format: "{number:>99}{symbol}"', "money_format: must have {number} and {symbol}, each once"),
        ('percent_format: "{number.real}"', "percent_format: must have {number}, each once, and no others"),
        ('percent_format: "{number"', "percent_format: must have {number}, each once, and no others"),
    ],
)
def test_a_pattern_that_cannot_be_used_has_its_place(text: str, what: str) -> None:
    with pytest.raises(TemplateError) as error:
        written("it", layouts=f"hello: Ciao\n{text}")
    assert str(error.value).startswith(f"templates/layouts/it.yaml:2: {what}")
