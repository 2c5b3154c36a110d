"""A small project's configuration, with components made for these tests and the core's own rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, Field, InstanceOf

from automation.config.campaigns import CampaignFile, parse_campaign
from automation.config.settings import Settings
from automation.config.settings_file import read_settings
from automation.config.source_map import read_source
from automation.contracts import Options
from automation.hookspecs import hookimpl
from automation.plugin_manager import Registry, load_plugins
from automation.rules import core
from automation.types.condition import Group, Leaf
from automation.types.secret import Secret

CONFIG = """\
shop: {name: Toy Shop, timezone: Europe/Berlin, currency: EUR, language: en, url: https://toys.example}
topics: {promotions: marketing, newsletter: marketing, alerts: service, orders: service}
offers:
  pct10: {kind: percent, value: 10%, label: 10 % off}
  pct20: {kind: percent, value: 20%, label: 20 % off, minimum_basket: 40 EUR}
  five: {kind: amount, value: 5 EUR, label: 5 € off, coupon: unique, code: FIVE}
models:
  blend: {using: neighbours, options: {k: 20}, seed: 7, parts: [bestsellers]}
  bestsellers: {using: favourites}
  churn_risk: {using: leavers}
  clv: {using: leavers}
segments:
  loyal: {did: purchase, times: at least 3}
  loyal_here: {all: [{segment: loyal}, {trait: country, is: DE}]}
channels:
  email: {using: post, options: {host: mail.toys.example, password: "${TOY_PASSWORD}"}}
  sms: {using: phone}
  push: {using: app}
holidays: [2026-12-25, 2026-12-26]
"""
ENVIRONMENT = {"TOY_PASSWORD": "open sesame"}


class NoOptions(Options):
    pass


class NeighbourOptions(Options):
    k: int = Field(default=40, ge=1)


class PostOptions(Options):
    host: str
    password: Secret | None = None


class Choice(Options):
    when: InstanceOf[Leaf] | InstanceOf[Group]
    give: str


class FirstOptions(Options):
    choices: tuple[Choice, ...] = Field(min_length=1)


class _Component:
    """Has every method of every contract; none is called here."""

    Options: ClassVar[type[BaseModel]] = NoOptions
    kind: ClassVar[str] = "email"

    def __init__(self, options: Any) -> None:
        self.options = options

    def _never(self) -> None:
        raise AssertionError("configuration never runs a component")

    fit = save = load = recommend = assign = plan = choose = deliver = close = _never


def _made(options: type[BaseModel], kind: str = "email") -> Any:
    return type("Component", (_Component,), {"Options": options, "kind": kind})


class ToyPlugin(ModuleType):
    """Contributes the components that CONFIG names."""

    @staticmethod
    @hookimpl
    def register_recommenders(register: Callable[[str, Any], None]) -> None:
        register("neighbours", _made(NeighbourOptions))
        register("favourites", _made(NoOptions))

    @staticmethod
    @hookimpl
    def register_segmenters(register: Callable[[str, Any], None]) -> None:
        register("leavers", _made(NoOptions))

    @staticmethod
    @hookimpl
    def register_offer_policies(register: Callable[[str, Any], None]) -> None:
        register("first", _made(FirstOptions))
        register("optimizer", _made(NoOptions))

    @staticmethod
    @hookimpl
    def register_channels(register: Callable[[str, Any], None]) -> None:
        register("post", _made(PostOptions))
        register("phone", _made(NoOptions, "phone"))
        register("app", _made(NoOptions, "push"))


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("AUTOMATION_PLUGINS", "")
    return load_plugins(core=[core, ToyPlugin("toys")])


@pytest.fixture
def settings(registry: Registry) -> Settings:
    made, problems = read_settings(read_source(CONFIG, "config.yaml"), registry, ENVIRONMENT)
    assert made is not None, "\n".join(map(str, problems))
    return made


Parse = Callable[[str], CampaignFile]


@pytest.fixture
def parse(settings: Settings, registry: Registry) -> Parse:
    return lambda text: parse_campaign(text, "campaigns/test.yaml", settings, registry)


@pytest.fixture
def read_config(registry: Registry) -> Callable[[str], tuple[Settings | None, list[str]]]:
    def read(text: str, environment: Mapping[str, str] = ENVIRONMENT) -> tuple[Settings | None, list[str]]:
        made, problems = read_settings(read_source(text, "config.yaml"), registry, environment)
        return made, [str(problem) for problem in problems]

    return read


@pytest.fixture
def toy_project(tmp_path: Path) -> Path:
    """A folder with CONFIG, one sound campaign and its template."""
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    for folder in ("campaigns", "templates/hello"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "campaigns" / "hello.yaml").write_text(
        "name: hello\ntopic: newsletter\nschedule: {every: day 09:00}\nsend: {channels: [email], template: hello}\n",
        encoding="utf-8",
    )
    (tmp_path / "templates/hello/email.html").write_text("<p>Hello</p>", encoding="utf-8")
    (tmp_path / "templates/hello/en.yaml").write_text("subject: Hello\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def problems(parse: Parse) -> Callable[[str], list[str]]:
    """The problems of a campaign file's text, each with its line and column."""
    return lambda text: [str(problem).removeprefix("campaigns/test.yaml:") for problem in parse(text).problems]
