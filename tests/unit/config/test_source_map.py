"""YAML 1.2 core, with places and caps."""

from __future__ import annotations

from pathlib import Path

import pytest

from automation.config.problems import Place
from automation.config.source_map import MAX_BYTES, SourceMap, read_file, read_source


def value(text: str) -> object:
    source = read_source(f"key: {text}\n", "a.yaml")
    assert not source.problems, source.problems
    return source.value["key"]


def texts(source: SourceMap) -> list[str]:
    return [str(problem) for problem in source.problems]


@pytest.mark.parametrize(
    "text", ["NO", "no", "on", "off", "yes", "y", "22:30", "2026-11-20", "1_000", "0b11", "1,5", "="]
)
def test_what_older_yaml_guessed_at_stays_text(text: str) -> None:
    assert value(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("0", 0),
        ("-17", -17),
        ("0o17", 15),
        ("0xff", 255),
        ("1.50", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ('"1067"', "1067"),
        ("'true'", "true"),
        ("[a, 1]", ["a", 1]),
        ("{on: 1, 5: no}", {"on": 1, "5": "no"}),
    ],
)
def test_the_core_schema(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_every_key_and_value_has_its_place() -> None:
    source = read_source("name: a\naudience:\n  all:\n    - {did: view, times: at least 2}\n    - x\n", "a.yaml")
    path = ("audience", "all", 0, "times")
    assert source.place(path, key=True) == Place(4, 19)
    assert source.place(path) == Place(4, 26)
    assert source.place(("audience", "all", 1)) == Place(5, 7)
    assert str(source.problem(path, "wrong")) == "a.yaml:4:26: audience.all[1].times: wrong"


def test_what_is_missing_is_placed_at_its_parent() -> None:
    source = read_source("\n\nname: a\nsend:\n  template: x\n", "a.yaml")
    assert source.place(("send", "channels"), key=True) == Place(4, 1)
    assert source.place(("topic",)) == Place(3, 1)


def test_columns_count_characters_and_lines_end_in_any_way() -> None:
    source = read_source("\ufeffname: Jürgen\r\nowner: {größe: 1, b: 2}\r\n", "a.yaml")
    assert source.value == {"name": "Jürgen", "owner": {"größe": 1, "b": 2}}
    assert source.place(("owner", "b")) == Place(2, 22)


def test_an_alias_repeats_a_value() -> None:
    source = read_source("a: &x {k: [1]}\nb: *x\n", "a.yaml")
    assert source.value == {"a": {"k": [1]}, "b": {"k": [1]}}
    assert source.value["a"] is not source.value["b"]


def test_all_traps_of_a_file_are_shown_at_once() -> None:
    source = read_source("a: 01067\nb: You are #1\nc: >2\na: 3\nd: fine # comment\n", "a.yaml")
    assert texts(source) == [
        'a.yaml:1:4: a: 01067 is read as a number and loses its zero; write: a: "01067"',
        "a.yaml:2:4: b: `#1` is read as a comment and left out; "
        'write: b: "You are #1" (or put a space after # for a comment)',
        "a.yaml:3:4: c: `>2` starts a folded text in YAML, which is empty here; write: c: more than 2",
        "a.yaml:4:1: a: the key is already written in line 1",
    ]


@pytest.mark.parametrize(
    "text", ["a: http://x.example/#top", "a: C#", "a: b # c", 'a: "You are #1"', "a: 'x' #1", "a: >\n  b\n"]
)
def test_what_only_looks_like_a_trap(text: str) -> None:
    assert not read_source(text, "a.yaml").problems


@pytest.mark.parametrize("text", ["{a: 1,b: 2}", "{a: 2.000, 50 EUR: x}", "[2.000,50 EUR]"])
def test_commas_without_spaces_are_no_trap_by_themselves(text: str) -> None:
    assert not read_source(f"key: {text}", "a.yaml").problems


def test_a_file_over_one_megabyte_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"# x\n" * (MAX_BYTES // 4) + b"a: [")  # parsing would find the open bracket
    text, source = read_file(path, "big.yaml")
    assert (text, texts(source)) == (
        "",
        ["big.yaml:1:1: the file is over 1 MB, more than a project's file may be"],
    )


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    assert texts(read_file(tmp_path / "folder.yaml", "folder.yaml")[1]) == [
        "folder.yaml:1:1: can't be read: is a directory"
    ]
    missing = read_file(tmp_path / "no.yaml", "no.yaml")[1]
    assert texts(missing) == ["no.yaml:1:1: can't be read: no such file or directory"]


def test_aliases_that_expand_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert texts(read_source("\n".join(lines), "a.yaml")) == [
        "a.yaml:1:34: aliases expand this to more than 50000 values; write the values out"
    ]


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 5_000, "- " * 50_000, "? " * 5_000, "a:\n" + " a:\n" * 3])
def test_depth_never_overflows(text: str) -> None:
    assert read_source(text, "a.yaml").problems


@pytest.mark.parametrize(
    "text",
    ["!!python/object/apply:os.system [id]", "!!binary aGk=", "!!set {a}", "!custom x", "!!timestamp 2026-01-01"],
)
def test_tags_make_no_objects(text: str) -> None:
    source = read_source(f"key: {text}", "a.yaml")
    assert texts(source) == ["a.yaml:1:6: key: tags such as `!!str` or `!name` are not used here; remove it"]


def test_numbers_too_large_to_be_meant_stay_text_or_are_refused() -> None:
    assert value("9" * 5000) == "9" * 5000
    assert "is not a usable number" in texts(read_source("a: 1e999", "a.yaml"))[0]
