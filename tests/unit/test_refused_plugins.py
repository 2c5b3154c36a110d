"""Every way in which a plugin can be refused, word for word."""

from __future__ import annotations

import pytest
from support.plugin_shelf import RULE, Shelf

from automation.plugin_manager import KINDS


def test_two_installed_plugins_of_one_name(shelf: Shelf) -> None:
    shelf.install("tall", RULE.format(key="taller_than"), distribution="shop-tall")
    shelf.install("tall", RULE.format(key="tallest"), distribution="other-tall", module="other_tall", version="3.1")
    assert shelf.refusal() == (
        "two installed plugins are called 'tall'; uninstall one of them: other-tall 3.1, shop-tall 1.0"
    )


def test_a_plugin_that_cannot_be_imported(shelf: Shelf) -> None:
    shelf.drop("weather.py", "import a_library_that_is_not_here\n")
    assert shelf.refusal() == (
        "plugin 'weather' (plugins/weather.py) can't be loaded: ModuleNotFoundError: No module named "
        "'a_library_that_is_not_here'; fix it, or disable it in config.yaml: plugins: {disable: [weather]}"
    )


def test_an_installed_plugin_that_cannot_be_imported(shelf: Shelf) -> None:
    shelf.install("weather", "1 / 0\n", version="0.3")
    assert shelf.refusal() == (
        "plugin 'weather' (shop-weather 0.3) can't be loaded: ZeroDivisionError: division by zero; "
        "fix it, or disable it in config.yaml: plugins: {disable: [weather]}"
    )


def test_a_plugin_that_ends_the_process_is_refused_like_any_other(shelf: Shelf) -> None:
    shelf.drop("weather.py", "raise SystemExit('bye')\n")
    assert shelf.refusal() == (
        "plugin 'weather' (plugins/weather.py) can't be loaded: SystemExit: bye; "
        "fix it, or disable it in config.yaml: plugins: {disable: [weather]}"
    )


def test_a_plugin_with_a_mistake_in_its_grammar(shelf: Shelf) -> None:
    shelf.drop("weather.py", "def weather(:\n")
    assert shelf.refusal() == (
        "plugin 'weather' (plugins/weather.py) can't be loaded: SyntaxError: invalid syntax (weather.py, line 1); "
        "fix it, or disable it in config.yaml: plugins: {disable: [weather]}"
    )


def test_a_hook_that_does_not_exist(shelf: Shelf) -> None:
    shelf.drop(
        "weather.py",
        """
        from automation.hookspecs import hookimpl

        @hookimpl
        def register_recomenders(register):
            pass
        """,
    )
    assert shelf.refusal() == (
        "plugin 'weather' (plugins/weather.py) can't be loaded: unknown hook 'register_recomenders'; "
        "fix it, or disable it in config.yaml: plugins: {disable: [weather]}"
    )


def test_an_observer_that_asks_for_a_value_that_does_not_exist(shelf: Shelf) -> None:
    shelf.drop(
        "weather.py",
        """
        from automation.hookspecs import hookimpl

        @hookimpl
        def run_started(campaign, weather):
            pass
        """,
    )
    refusal = shelf.refusal()
    assert refusal.startswith("plugin 'weather' (plugins/weather.py) can't be loaded: PluginValidationError: ")
    assert "hookimpl definition: run_started(campaign, weather)" in refusal
    assert "{'weather'}" in refusal
    assert refusal.endswith("; fix it, or disable it in config.yaml: plugins: {disable: [weather]}")


SHAPES = {
    "recommenders": ("recommender", "fit, load, recommend, save"),
    "segmenters": ("segmenter", "assign, fit, load, save"),
    "offer_policies": ("offer policy", "choose, fit, load, plan, save"),
    "suppressions": ("suppression", "codes, refuse"),
    "channels": ("channel", "close, deliver, kind"),
    "sources": ("source", "read, suffixes"),
    "rules": ("rule", "key, matching"),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_a_class_that_lacks_what_its_contract_asks_for(shelf: Shelf, kind: str) -> None:
    shelf.drop(
        "weather.py",
        f"""
        from automation.contracts import Options
        from automation.hookspecs import hookimpl

        class Rain:
            Options = Options

        @hookimpl
        def register_{kind}(register):
            register("rain", Rain)
        """,
    )
    word, lacks = SHAPES[kind]
    assert shelf.refusal() == f"plugin 'weather': {word} 'rain': the class lacks {lacks} (plugins/weather.py)"


def test_every_kind_has_a_test_of_its_shape() -> None:
    assert set(SHAPES) == set(KINDS) - {"template_filters"}


@pytest.mark.parametrize(
    ("kind", "component", "problem"),
    [
        ("rules", "lambda options: None", "rule 'rain': expected a class"),
        (
            "rules",
            "type('Rain', (), {})",
            "rule 'rain': the class needs `Options`, a pydantic model (contracts.Options is one)",
        ),
        (
            "rules",
            "type('Rain', (), {'Options': BaseModel})",
            "rule 'rain': its Options must be frozen and extra=\"forbid\" (inherit contracts.Options)",
        ),
        ("template_filters", "'upper'", "template filter 'rain': a template filter must be callable"),
    ],
)
def test_something_that_is_no_component(shelf: Shelf, kind: str, component: str, problem: str) -> None:
    shelf.drop(
        "weather.py",
        f"""
        from automation.hookspecs import hookimpl
        from pydantic import BaseModel

        @hookimpl
        def register_{kind}(register):
            register("rain", {component})
        """,
    )
    assert shelf.refusal() == f"plugin 'weather': {problem} (plugins/weather.py)"


def test_two_plugins_that_register_one_name(shelf: Shelf) -> None:
    shelf.drop("short.py", RULE.format(key="height"))
    shelf.drop("tall.py", RULE.format(key="height"))
    assert shelf.refusal() == (
        "plugin 'tall' registers the rule 'height', but plugin 'short' already did; "
        "disable one of them in config.yaml: plugins: {disable: [tall]}"
    )


def test_a_registration_that_fails_names_its_plugin(shelf: Shelf) -> None:
    shelf.drop(
        "weather.py",
        """
        from automation.hookspecs import hookimpl

        @hookimpl
        def register_rules(register):
            register()
        """,
    )
    assert shelf.refusal().startswith("plugin 'weather' (plugins/weather.py) can't be loaded: TypeError: ")
