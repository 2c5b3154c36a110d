"""Plugins of all three origins are found, named and replaced; what each registers is known."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.plugin_shelf import RULE, Shelf

from automation import hookspecs
from automation.plugin_manager import KINDS, OBSERVERS, load_plugins


def test_an_installed_plugin_is_found_by_its_entry_point(shelf: Shelf) -> None:
    shelf.install("tall", RULE.format(key="taller_than"), version="2.5")
    registry = shelf.load()
    plugin = registry.plugins["tall"]
    assert (plugin.origin, plugin.version, plugin.location) == ("installed", "2.5", "shop-tall 2.5")
    assert registry.find("rules", "taller_than").__name__ == "Tall"
    assert registry.owner("rules", "taller_than") is plugin


def test_a_single_file_in_the_project_is_a_plugin(shelf: Shelf) -> None:
    path = shelf.drop("tall.py", RULE.format(key="taller_than"))
    registry = shelf.load()
    plugin = registry.plugins["tall"]
    assert (plugin.origin, plugin.location) == ("project", str(path))
    assert plugin.version == hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert registry.names("rules") == ["taller_than"]


def test_a_package_in_the_project_is_a_plugin_and_may_import_its_own_modules(shelf: Shelf) -> None:
    shelf.drop("tall/limits.py", "LIMIT = 200\n")
    shelf.drop("tall/__init__.py", "from . import limits\n" + dedent(RULE.format(key="taller_than")))
    registry = shelf.load()
    assert registry.plugins["tall"].module.limits.LIMIT == 200
    assert registry.names("rules") == ["taller_than"]


def test_a_project_plugin_never_shadows_a_library_of_the_same_name(shelf: Shelf) -> None:
    shelf.drop("json.py", RULE.format(key="taller_than"))
    registry = shelf.load()
    assert registry.plugins["json"].module is not sys.modules["json"]
    assert hasattr(sys.modules["json"], "dumps")


def test_a_changed_project_plugin_has_another_version(shelf: Shelf) -> None:
    shelf.drop("tall/__init__.py", RULE.format(key="taller_than"))
    shelf.drop("tall/limits.py", "LIMIT = 200\n")
    first = shelf.load().versions()["tall"]
    shelf.drop("tall/limits.py", "LIMIT = 201\n")
    assert shelf.load().versions()["tall"] != first


def test_the_core_registers_like_a_plugin(shelf: Shelf) -> None:
    from automation.rules import core

    registry = shelf.load(core=(core,))
    plugin = registry.owner("rules", "did")
    assert (plugin.name, plugin.origin, plugin.location) == ("core", "core", "automation.rules.core")


def test_our_own_plugins_are_installed_ones(shelf: Shelf) -> None:
    registry = shelf.load()
    assert {"churn", "email", "offers", "popular", "sources", "surprise"} <= set(registry.plugins)
    assert {registry.plugins[name].origin for name in ("churn", "email")} == {"installed"}
    assert registry.versions()["churn"] == registry.plugins["churn"].version != ""


def test_the_same_file_is_not_loaded_twice(shelf: Shelf) -> None:
    installed = shelf.install("tall", RULE.format(key="taller_than"))
    (shelf.folder / "tall.py").symlink_to(installed)
    with capture_logs() as logs:
        registry = shelf.load()
    assert registry.plugins["tall"].origin == "installed"
    assert logs == []


def test_a_copy_of_what_is_installed_is_not_loaded_beside_it(shelf: Shelf) -> None:
    """As in a checkout whose wheel is installed."""
    shelf.install("tall", RULE.format(key="taller_than"))
    shelf.drop("tall_plugin.py", RULE.format(key="taller_than"))
    with capture_logs() as logs:
        registry = shelf.load()
    assert registry.plugins["tall"].origin == "installed"
    assert "tall_plugin" not in registry.plugins
    assert logs == []


def test_a_changed_copy_replaces_what_is_installed_under_its_name(shelf: Shelf) -> None:
    shelf.install("tall", RULE.format(key="taller_than"))
    shelf.drop("tall_plugin.py", RULE.format(key="tallest"))
    with capture_logs() as logs:
        registry = shelf.load()
    assert registry.plugins["tall"].origin == "project"
    assert registry.names("rules") == ["tallest"]
    assert [log["plugin"] for log in logs] == ["tall"]


def test_the_repository_s_own_plugin_folder_adds_nothing_to_what_is_installed(shelf: Shelf) -> None:
    here = Path(__file__).resolve().parents[2] / "plugins"
    shelf.folder.rmdir()
    assert load_plugins(here).versions() == load_plugins(None).versions()


def test_a_project_plugin_replaces_an_installed_one_and_that_is_logged(shelf: Shelf) -> None:
    shelf.install("tall", RULE.format(key="taller_than"))
    path = shelf.drop("tall.py", RULE.format(key="tallest"))
    with capture_logs() as logs:
        registry = shelf.load()
    assert registry.plugins["tall"].origin == "project"
    assert registry.names("rules") == ["tallest"]
    assert logs == [
        {
            "event": "project plugin replaces an installed one",
            "log_level": "warning",
            "plugin": "tall",
            "file": str(path),
        }
    ]


def test_hidden_and_private_files_are_no_plugins(shelf: Shelf) -> None:
    for name in ("_draft.py", ".tall.py", "__pycache__/tall.py", "notes/readme.py", "tall.txt"):
        shelf.drop(name, "raise RuntimeError('not a plugin')\n")
    assert set(shelf.load().plugins) == set(load_plugins(None).plugins)


def test_one_name_may_stand_for_two_kinds(shelf: Shelf) -> None:
    shelf.drop("tall.py", RULE.format(key="churn"))
    registry = shelf.load()
    assert registry.owner("rules", "churn").name == "tall"
    assert registry.owner("segmenters", "churn").name == "churn"


def test_a_function_without_the_marker_is_no_hook(shelf: Shelf) -> None:
    shelf.drop("weather.py", "def register_rules(register):\n    raise RuntimeError('called')\n")
    assert "weather" in shelf.load().plugins


def test_a_template_filter_is_any_function(shelf: Shelf) -> None:
    shelf.drop(
        "shout.py",
        """
        from automation.hookspecs import hookimpl

        @hookimpl
        def register_template_filters(register):
            register("shout", str.upper)
        """,
    )
    assert shelf.load().filters()["shout"]("tea") == "TEA"


OBSERVER = """
    from automation.hookspecs import hookimpl

    SEEN = []

    @hookimpl
    def run_started({arguments}):
        SEEN.append(({arguments},))
        {more}
"""


def test_an_observer_gets_only_the_values_that_it_names(shelf: Shelf) -> None:
    shelf.drop("watch.py", OBSERVER.format(arguments="audience, campaign", more=""))
    registry = shelf.load()
    registry.observe("run_started", campaign="winback", run_id="7", audience=3)
    assert registry.plugins["watch"].module.SEEN == [(3, "winback")]
    assert registry.failures == {}


def test_what_an_observer_raises_is_logged_and_counted_and_stops_nobody_else(shelf: Shelf) -> None:
    shelf.drop("broken.py", OBSERVER.format(arguments="campaign", more="raise ValueError('no')"))
    shelf.drop("another.py", OBSERVER.format(arguments="campaign", more=""))
    registry = shelf.load()
    with capture_logs() as logs:
        for _ in range(2):
            registry.observe("run_started", campaign="winback", run_id="7", audience=3)
    assert registry.failures == {"broken": 2}
    assert len(registry.plugins["another"].module.SEEN) == 2
    assert [(log["event"], log["plugin"], log["hook"]) for log in logs] == 2 * [
        ("observer failed", "broken", "run_started")
    ]


def test_hooks_are_either_contributions_or_observations() -> None:
    hooks = {name for name, value in vars(hookspecs).items() if hasattr(value, "automation_spec")}
    assert hooks == {f"register_{kind}" for kind in KINDS} | set(OBSERVERS)


def test_find_knows_only_what_was_registered(shelf: Shelf) -> None:
    registry: Any = shelf.load()
    with pytest.raises(KeyError):
        registry.find("rules", "taller_than")


@pytest.mark.parametrize("how", ["config", "environment"])
def test_a_broken_plugin_that_is_switched_off_is_not_even_imported(
    shelf: Shelf, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.drop("weather.py", "raise RuntimeError('imported')\n")
    shelf.drop("tall.py", RULE.format(key="taller_than"))
    if how == "environment":
        monkeypatch.setenv("AUTOMATION_PLUGINS", "tall, sources")
        assert set(shelf.load().plugins) == {"tall", "sources"}
    else:
        assert "weather" not in shelf.load(disabled=("weather",)).plugins


def test_the_environment_can_switch_every_plugin_off_but_never_the_core(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    from automation.rules import core

    monkeypatch.setenv("AUTOMATION_PLUGINS", "")
    assert set(shelf.load(core=(core,), disabled=("core",)).plugins) == {"core"}
