"""The schemas that editors use: as strict as the reader where a schema can be, never stricter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from automation.config.json_schema import campaign_schema, settings_schema
from automation.config.settings import Settings
from automation.config.source_map import read_source
from automation.plugin_manager import Registry

FILES = sorted((Path(__file__).parent / "grammar").glob("*.yaml"))
HEAD = "name: test\ntopic: promotions\nschedule: {every: day 09:00}\nsend: {channels: [email], template: hello}\n"
CONFIG = (
    (Path(__file__).parent / "conftest.py").read_text(encoding="utf-8").split('CONFIG = """\\\n')[1].split('"""')[0]
)


def faults(schema: dict[str, Any], text: str) -> list[str]:
    source = read_source(text, "a.yaml")
    assert not source.problems
    return [fault.message for fault in Draft202012Validator(schema).iter_errors(source.value)]


@pytest.fixture
def schema(registry: Registry, settings: Settings) -> dict[str, Any]:
    return campaign_schema(registry, settings)


def test_they_are_valid_2020_12(registry: Registry, settings: Settings) -> None:
    for schema in (campaign_schema(registry), campaign_schema(registry, settings), settings_schema(registry)):
        Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_whole_grammar_fits(path: Path, schema: dict[str, Any], registry: Registry) -> None:
    text = path.read_text(encoding="utf-8")
    assert faults(schema, text) == []
    assert faults(campaign_schema(registry), text) == []


@pytest.mark.parametrize(
    "written",
    [
        "topc: promotions",
        "priority: 101",
        "reentry: 30d",
        "audience: {did: purchase, tims: 2}",
        "audience: {didnt: purchase}",
        "audience: {all: []}",
        "audience: {all: [{not: {did: x, in_the_last: 3 days}}]}",
        "audience: {top: 5, all: [everyone]}",
        "audience: {top: 5, by: clv, colour: red}",
        "audience: {top: 5, by: {did: purchase, summ: amount}}",
        "audience: {top: 5, by: {did: purchase, sum: amount, average: amount}}",
        "audience: {top: 5, by: {did: purchase, times: at least 2}}",
        "audience: {top: 5 %%, by: clv}",
        "audience: {top: 5, by: clv, top_of: all}",
        "audience: {top_of: reachable, did: purchase}",
        "audience: {top: 5, by: clv, did: x, tims: 2}",
        "audience: everybody",
        "recommend: {using: nobody}",
        "recommend: {using: neighbours, options: {kk: 1}}",
        "recommend: {using: neighbours, options: {k: 0}}",
        "recommend: {using: neighbours, items: six}",
        "recommend: {using: blend, otherwise: {using: favourites, options: {a: 1}}}",
        "offer: {using: first}",
        "offer: {using: first, options: {choices: [{when: {dit: x}, give: a}]}}",
        "offer: {fixed: pct30}",
        "offer: {fixed: pct10, using: optimizer}",
        "experiment: {holdout: 0.1}",
        "limits: {cap: 2/7d}",
        "steps: [{wait: 3d}]",
        "starts_when: {did: x}",
    ],
)
def test_a_typo_does_not(written: str, schema: dict[str, Any]) -> None:
    assert faults(schema, HEAD) == []
    assert faults(schema, f"{HEAD}{written}\n")


def test_names_are_open_without_a_project(registry: Registry) -> None:
    assert faults(campaign_schema(registry), HEAD + "recommend: {using: some_model}\noffer: {fixed: pct30}\n") == []


def test_the_configuration_fits(registry: Registry) -> None:
    assert faults(settings_schema(registry), CONFIG) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("k: 20", "kk: 20"),
        ("using: neighbours", "using: neighbors"),
        ("${TOY_PASSWORD}", "hunter2"),
        ("kind: percent", "kind: percents"),
        ("times: at least 3", "tims: at least 3"),
        ("newsletter: marketing", "newsletter: adverts"),
        ("host: mail", "hots: mail"),
    ],
)
def test_a_typo_in_the_configuration_does_not(before: str, after: str, registry: Registry) -> None:
    assert before in CONFIG
    assert faults(settings_schema(registry), CONFIG.replace(before, after))
