"""Plugins of all three origins, and every way in which one can be refused, word for word."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
from structlog.testing import capture_logs

from automation import hookspecs
from automation.errors import PluginError
from automation.plugin_manager import GROUP, KINDS, OBSERVERS, Registry, load_plugins

RULE = """
    from automation.contracts import Options
    from automation.hookspecs import hookimpl


    class Tall:
        Options = Options
        key = "{key}"

        def __init__(self, options):
            self.options = options

        def matching(self, data):
            return data.customers.select("customer_id")


    @hookimpl
    def register_rules(register):
        register("{key}", Tall)
"""


@dataclass
class Shelf:
    """Where a test puts plugins: a site folder as pip fills it, and a project's own folder."""

    site: Path
    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def install(
        self, name: str, source: str, *, version: str = "1.0", module: str = "", distribution: str = ""
    ) -> Path:
        """A distribution as pip leaves it on disk: the module, its metadata and its entry point."""
        module, distribution = module or f"{name}_plugin", distribution or f"shop-{name}"
        path = self.site / f"{module}.py"
        path.write_text(dedent(source))
        info = self.site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {module}\n")
        self.monkeypatch.syspath_prepend(str(self.site))
        return path

    def drop(self, name: str, source: str) -> Path:
        """A file in the project's `plugins/` folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source))
        return path

    def load(self, *, core: tuple[ModuleType, ...] = (), disabled: tuple[str, ...] = ()) -> Registry:
        return load_plugins(self.folder, core=core, disabled=disabled)

    def refusal(self) -> str:
        """What loading says; the test's own folders are taken out of it."""
        with pytest.raises(PluginError) as caught:
            self.load()
        assert caught.value.exit_code == 2
        return str(caught.value).replace(str(self.folder), "plugins").replace(str(self.site), "site")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    (tmp_path / "site").mkdir()
    (tmp_path / "plugins").mkdir()
    monkeypatch.delenv("AUTOMATION_PLUGINS", raising=False)
    before = set(sys.modules)
    yield Shelf(tmp_path / "site", tmp_path / "plugins", monkeypatch)
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]


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


def test_one_name_may_stand_for_two_kinds(shelf: Shelf) -> None:
    shelf.drop("tall.py", RULE.format(key="churn"))
    registry = shelf.load()
    assert registry.owner("rules", "churn").name == "tall"
    assert registry.owner("segmenters", "churn").name == "churn"


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
