"""config.yaml: what it means, and where its secrets come from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from automation.config.settings import ModelSettings, Settings
from automation.config.settings_file import disabled_plugins
from automation.types.condition import Group, Leaf, Using
from automation.types.offer import Offer
from automation.types.secret import Secret

ReadConfig = Callable[..., tuple[Settings | None, list[str]]]
SHOP = "shop: {name: Toy Shop}\n"
PLAIN = "a secret must not be in a file; write ${PASSWORD} and set it in the environment"


def test_offers_are_shares_and_money(settings: Settings) -> None:
    assert settings.offers["pct10"] == Offer(name="pct10", kind="percent", value=Decimal("0.1"), label="10 % off")
    assert settings.offers["pct20"].minimum_basket == Decimal(40)
    five = settings.offers["five"]
    assert (five.kind, five.value, five.currency, five.coupon, five.code) == (
        "amount",
        Decimal(5),
        "EUR",
        "unique",
        "FIVE",
    )


def test_a_models_kind_follows_from_what_it_uses(settings: Settings) -> None:
    blend = settings.models["blend"]
    assert isinstance(blend, ModelSettings)
    assert (blend.kind, blend.using, blend.seed, blend.parts) == ("recommenders", "neighbours", 7, ("bestsellers",))
    options: Any = blend.options
    assert options.k == 20
    assert settings.models["churn_risk"].kind == "segmenters"


def test_segments_are_conditions(settings: Settings) -> None:
    loyal = settings.segments["loyal"]
    assert isinstance(loyal, Leaf)
    assert (loyal.key, loyal.path, loyal.text) == ("did", "segments.loyal", "did: purchase, times: at least 3")
    assert isinstance(settings.segments["loyal_here"], Group)


def test_a_secret_comes_from_the_environment_and_is_never_shown(settings: Settings) -> None:
    email = settings.channels["email"]
    options: Any = email.options
    assert isinstance(options.password, Secret)
    assert options.password.get_secret_value() == "open sesame"
    assert "sesame" not in f"{settings!r} {settings} {email} {options.model_dump()} {options.model_dump_json()}"


def test_the_rest(settings: Settings) -> None:
    assert settings.channels["sms"].name == "phone"
    assert settings.holidays == (date(2026, 12, 25), date(2026, 12, 26))
    assert settings.topics["alerts"] == "service"
    assert (settings.data_dir, settings.launch, settings.global_holdout) == ("var", "by_hand", None)


def test_only_the_shops_name_is_needed(read_config: ReadConfig) -> None:
    settings, problems = read_config(SHOP)
    assert problems == []
    assert settings is not None
    assert (settings.shop.timezone, settings.shop.currency, settings.shop.language) == ("UTC", "EUR", "en")


def test_a_bare_name_is_a_component_without_options(read_config: ReadConfig) -> None:
    settings, _ = read_config(SHOP + "channels: {sms: phone}\n")
    assert settings is not None
    assert isinstance(settings.channels["sms"], Using)
    assert settings.channels["sms"].name == "phone"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("global_holdout: 5\n", "2:17: global_holdout: 5 is not a percentage; write 10% or 2.5%"),
        ("holidays: [2026-12-32]\n", "2:12: holidays[1]: '2026-12-32' is not a date; write 2026-11-20"),
        (
            "launch: by_merge\n",
            "2:9: launch: 'by_merge' is not allowed; allowed: by_hand, on_merge (did you mean 'on_merge'?)",
        ),
        (
            "links: {base_url: shop.example}\n",
            "2:19: links.base_url: 'shop.example' is not a web address; write https://shop.example",
        ),
        ("channels: {email: {using: post}}\n", "2:12: channels.email.options.host: is missing"),
        (
            "channels: {email: {using: post, options: {host: a, password: abc}}}\n",
            f"2:62: channels.email.options.password: {PLAIN}",
        ),
        (
            "channels: {email: {using: post, options: {host: a, password: 4711}}}\n",
            f"2:62: channels.email.options.password: {PLAIN}",
        ),
        (
            "data_dir: ${HOME}\n",
            "2:11: data_dir: ${HOME} is only for secrets; write the value itself",
        ),
        ("models: {m: {using: neighbours, seed: -1}}\n", "2:39: models.m.seed: must be at least 0"),
        (
            "models: {m: {using: neighbours, kind: segmenters}}\n",
            "2:39: models.m.kind: 'neighbours' is registered under recommenders",
        ),
        (
            "segments: {m: {did: x}}\nmodels: {m: {using: leavers}}\n",
            "2:12: segments.m: is also the name of a model; choose another",
        ),
        (
            "suppressions: [{using: weather}]\n",
            "2:24: suppressions[1].using: there is no suppression 'weather'; none are defined",
        ),
        (
            "offers: {a: {kind: free_shipping, value: 3 EUR, label: x}}\n",
            "2:35: offers.a.value: `free_shipping` has no value",
        ),
        (
            "topics: {two words: marketing}\n",
            "2:10: topics.two words: a name begins with a letter and has only letters, digits, - and _",
        ),
    ],
)
def test_what_is_refused(written: str, expected: str, read_config: ReadConfig) -> None:
    settings, problems = read_config(SHOP + written)
    assert problems == [f"config.yaml:{expected}"]
    assert settings is None


@pytest.mark.parametrize("environment", [{}, {"TOKEN": ""}])
def test_a_missing_or_empty_variable_is_named(environment: dict[str, str], read_config: ReadConfig) -> None:
    text = SHOP + 'channels: {email: {using: post, options: {host: a, password: "${TOKEN}"}}}\n'
    _, problems = read_config(text, environment)
    assert problems == ["config.yaml:2:62: channels.email.options.password: the environment variable TOKEN is not set"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plugins: {disable: [a, b]}\n", ("a", "b")),
        ("plugins: {disable: a}\n", ()),
        ("plugins: [", ()),
        ("", ()),
    ],
)
def test_disabled_plugins_are_read_before_any_plugin(text: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    assert disabled_plugins(tmp_path) == expected


def test_no_project_disables_nothing(tmp_path: Path) -> None:
    assert disabled_plugins(tmp_path) == ()
