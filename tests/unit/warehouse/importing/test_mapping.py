"""Mapping files: what is wrong with one is said with line and column, all at once."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from automation.errors import ConfigurationError
from automation.warehouse.importing.mapping import PRESETS, load_mapping, parse_mapping


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_mapping(text, "m.yaml")
    return str(caught.value).splitlines()


def test_every_problem_at_once() -> None:
    found = problems(
        "table: event\n"
        "columns:\n"
        "  customer_id: {colum: x}\n"
        "  email: {column: a, constant: 3}\n"
        "  price: {multiply: [a, b], missing: default}\n"
        "skip:\n"
        '  - {column: Quantity, matches: "(", reason: return}\n'
        "  - {column: Quantity, at_most: 0, at_least: 1, reason: x}\n"
        "  - {column: Quantity, at_most: 0}\n"
        "timezone: Mars\n"
        "tims: [x]\n"
    )
    assert found == [
        "m.yaml:1:8: table: Input should be 'customers', 'products', 'events', 'suppressions', 'consents' or 'sends'",
        "m.yaml:3:17: columns.customer_id.colum: the key 'colum' is not known here (did you mean 'column'?)",
        "m.yaml:4:10: columns.email: needs exactly one of column, first, template, constant, multiply; "
        "it has column and constant",
        "m.yaml:5:10: columns.price: `missing: default` and `default: VALUE` go together",
        "m.yaml:7:33: skip[1].matches: '(' is not a regular expression",
        "m.yaml:8:5: skip[2]: needs exactly one test: empty, is, in, matches, does_not_match, at_most, at_least, "
        "less_than, more_than",
        "m.yaml:9:5: skip[3]: 'reason' is missing",
        "m.yaml:10:11: timezone: 'Mars' is not a time zone; write UTC or a name such as Europe/Berlin",
        "m.yaml:11:1: tims: the key 'tims' is not known here (did you mean 'times'?)",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("table: events\ncolumns: {customer_id: a}\n", "m.yaml:1:1: columns: events need type, occurred_at"),
        (
            "table: suppressions\ncolumns: {address: a, campagne: b}\n",
            "m.yaml:1:1: columns: suppressions have no 'campagne'; "
            "they have address, channel, topic, reason, at, source",
        ),
        ("table: consents\ncolumns: {address: a}\n", "m.yaml:1:1: columns: consents need channel, granted"),
        (
            "table: customers\ncolumns: {customer_id: a, Größe: b}\n",
            "m.yaml:1:1: columns: 'Größe' can't be a column's name; use small letters, digits and _",
        ),
        (
            "table: customers\ncolumns: {customer_id: a, email: b}\ntypes: {email: number}\n",
            "m.yaml:1:1: types: the type of 'email' is fixed: text",
        ),
        (
            "table: customers\ncolumns: {customer_id: a}\ntypes: {age: number}\n",
            "m.yaml:1:1: types: 'age' is not among the columns",
        ),
        (
            "table: products\ncolumns: {product_id: a}\nconsent: {email: {promotions: granted}, source: x}\n",
            "m.yaml:1:1: consent: only a customers mapping has it",
        ),
        (
            "table: customers\ncolumns: {customer_id: a}\nconsent: {email: {promotions: maybe}, source: x}\n",
            "m.yaml:3:31: consent.email.promotions: 'maybe' is neither granted nor refused; "
            "a column is written {column: NAME}",
        ),
        (
            "table: customers\ncolumns: {customer_id: a}\nconsent: {email: {promotions: granted}}\n",
            "m.yaml:3:10: consent: 'source' is missing",
        ),
        (
            "table: customers\ncolumns: {customer_id: {column: a, find: x}}\n",
            "m.yaml:2:24: columns.customer_id: find: 'x' is not a column such as customers.name or products.name",
        ),
        (
            "table: customers\ncolumns: {customer_id: {column: a, otherwise: x}}\n",
            "m.yaml:2:24: columns.customer_id: `otherwise` goes with `values`, or as `otherwise: same` with `find`",
        ),
        ("table: customers\ntable: products\n", "m.yaml:2:1: table: the key is already written in line 1"),
        ("", "m.yaml:1:1: the file is empty"),
        ("mappings: []\n", "m.yaml:1:11: mappings: it needs at least one mapping"),
        (
            "mappings: [{table: customers, columns: {customer_id: a}}]\ndecimal: comma\n",
            "m.yaml:2:1: decimal: beside `mappings` there is no other key; write it in each mapping",
        ),
        (
            "table: customers\ncolumns: {customer_id: a}\nrepeats: keep\n",
            "m.yaml:1:1: repeats: keep is for an events mapping without event_id; other rows have an id of their own",
        ),
        (
            "table: customers\ncolumns: {customer_id: a}\nskip: [{column: a, is_: x, reason: y}]\n",
            "m.yaml:3:20: skip[1].is_: the key 'is_' is not known here (did you mean 'is'?)",
        ),
        (
            "table: customers\ncolumns: {customer_id: a}\n"
            "consent: {source: x, email: {letters: {column: a, always: true}}}\n",
            "m.yaml:3:39: consent.email.letters: write granted, refused or {column: NAME, granted: [VALUES]}",
        ),
        (
            "table: customers\ncolumns: {customer_id: a}\n"
            "consent: {source: x, channels: {email: {letters: granted}}}\n",
            "m.yaml:3:40: consent.channels.email: write granted, refused or {column: NAME, granted: [VALUES]}",
        ),
    ],
)
def test_one_problem(text: str, expected: str) -> None:
    assert problems(text) == [expected]


def test_a_mapping_file_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match=r"x\.yaml: there is no such mapping file; presets: shopify, wooc"):
        load_mapping("x.yaml")


def test_a_file_of_several_mappings_and_the_zone_of_those_that_state_none(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        "mappings:\n"
        "  - {table: customers, columns: {customer_id: a}, timezone: UTC}\n"
        "  - {table: products, columns: {product_id: a}}\n"
    )
    loaded = load_mapping(path, timezone="Europe/Berlin")
    assert [mapping.timezone for mapping in loaded.mappings] == ["UTC", "Europe/Berlin"]
    path.write_text("mappings:\n  - {table: customers, columns: {customer_id: {}}}\n")
    with pytest.raises(ConfigurationError, match=r"m\.yaml:2:\d+: mappings\[1\]\.columns\.customer_id: needs exactly"):
        load_mapping(path)


def test_numbers_and_words_in_yaml_are_the_files_texts() -> None:
    mapping = parse_mapping(
        "table: customers\n"
        "columns: {customer_id: a, vip: {constant: true}, level: {column: l, values: {1: gold}}}\n"
        "skip: [{column: l, in: [3, no], reason: gone}]\n",
        "m.yaml",
    ).mappings[0]
    assert mapping.columns["vip"].constant == "true"
    assert mapping.columns["level"].values == {"1": "gold"}
    assert mapping.skip[0].in_ == ("3", "no")


SHOP, EXPORT = {"customers", "products", "events"}, {"suppressions", "consents"}


@pytest.mark.parametrize(
    ("preset", "tables"),
    [
        ("shopify", SHOP),
        ("woocommerce", SHOP),
        ("klaviyo", EXPORT),
        ("braze", EXPORT | {"sends"}),
        ("plain", EXPORT | {"sends"}),
    ],
)
def test_the_presets_are_valid_and_cover_their_tables(preset: str, tables: set[str]) -> None:
    assert {mapping.table for mapping in load_mapping(preset).mappings} == tables


def test_there_are_no_other_presets() -> None:
    folder = resources.files("automation.warehouse.importing").joinpath("presets")
    assert sorted(PRESETS) == sorted(file.name.removesuffix(".yaml") for file in folder.iterdir())
