"""Finds plugins of three origins, loads them, and keeps the components that they register."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Literal

import pluggy
import structlog

from automation import hookspecs
from automation.errors import PluginError

log = structlog.get_logger(__name__)

GROUP = "automation.plugins"
OURS = "marketing-automation-daemon"
"""Our own distribution."""
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "sources": "source",
        "rules": "rule",
        "segmenters": "segmenter",
        "recommenders": "recommender",
        "offer_policies": "offer policy",
        "suppressions": "suppression",
        "channels": "channel",
        "template_filters": "template filter",
    }
)
OBSERVERS = ("run_started", "decisions_made", "messages_sent", "events_recorded", "run_finished")
Origin = Literal["core", "installed", "project"]


@dataclass(frozen=True)
class Plugin:
    """One plugin: its name, its origin, and its version (of the distribution, or a hash of the file's content)."""

    name: str
    origin: Origin
    location: str
    version: str
    module: ModuleType

    @property
    def shipped(self) -> bool:
        """Whether it comes with this program."""
        return self.origin == "core" or (self.origin == "installed" and self.location == f"{OURS} {self.version}")


@dataclass
class Registry:
    """All components of the loaded plugins, by kind and name. Filled at load, read-only afterwards."""

    plugins: dict[str, Plugin] = field(default_factory=dict)
    components: dict[str, dict[str, tuple[Any, str]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    failures: dict[str, int] = field(default_factory=dict)
    manager: pluggy.PluginManager = field(default_factory=lambda: pluggy.PluginManager("automation"))

    def find(self, kind: str, name: str) -> Any:
        """The registered class (or filter). Raises KeyError."""
        return self.components[kind][name][0]

    def names(self, kind: str) -> list[str]:
        return sorted(self.components[kind])

    def owner(self, kind: str, name: str) -> Plugin:
        """The plugin that registered it."""
        return self.plugins[self.components[kind][name][1]]

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {name: entry[0] for name, entry in self.components["template_filters"].items()}

    def versions(self) -> dict[str, str]:
        """Every plugin's version, for pinning."""
        return {name: plugin.version for name, plugin in sorted(self.plugins.items())}

    def observe(self, hook: str, **values: Any) -> None:
        """Call an observing hook on every plugin; an exception is logged and counted, and doesn't stop the others."""
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            try:
                implementation.function(**{name: values[name] for name in implementation.argnames})
            except Exception:
                self.failures[implementation.plugin_name] = self.failures.get(implementation.plugin_name, 0) + 1
                log.exception("observer failed", plugin=implementation.plugin_name, hook=hook)


def load_plugins(
    folder: Path | None = None, *, core: Sequence[ModuleType] = (), disabled: Collection[str] = ()
) -> Registry:
    """Load the core's own components, the installed plugins (entry points) and the project's `plugins/` folder.

    A project plugin replaces an installed one of the same name; the same file is loaded once. The environment variable
    AUTOMATION_PLUGINS, a comma-separated list, limits loading to the named plugins. Raises `PluginError`.
    """
    registry = Registry()
    registry.manager.add_hookspecs(hookspecs)
    for module in core:
        name = module.__name__.rsplit(".", 1)[-1]
        _add(registry, Plugin(name, "core", module.__name__, "", module))
    only = os.environ.get("AUTOMATION_PLUGINS")
    wanted = None if only is None else {name.strip() for name in only.split(",") if name.strip()}
    found: dict[str, Callable[[], Plugin]] = {}
    names: dict[str, str] = {}
    contents: set[str] = set()
    for point in importlib.metadata.entry_points(group=GROUP):
        if point.name in found:
            both = importlib.metadata.entry_points(group=GROUP, name=point.name)
            raise PluginError(
                f"two installed plugins are called {point.name!r}; uninstall one of them: "
                f"{', '.join(sorted(_distribution(one) for one in both))}"
            )
        found[point.name] = lambda point=point: _load_installed(point)  # type: ignore[misc]
        names[point.module] = point.name
        contents |= {_content(path) for path in _installed_file(point)}
    for path in _project_files(folder):
        own = path.parent.name if path.name == "__init__.py" else path.stem
        name = names.get(own, own)  # the source of an installed plugin
        if _content(path) in contents:
            continue
        if name in found:
            log.warning("project plugin replaces an installed one", plugin=name, file=str(path))
        found[name] = lambda name=name, path=path: _load_project(name, path)  # type: ignore[misc]
    for name in sorted(found):
        if name not in disabled and (wanted is None or name in wanted):
            _add(registry, found[name]())
    try:
        registry.manager.check_pending()
    except pluggy.PluginValidationError as error:
        plugin = registry.plugins[str(registry.manager.get_name(error.plugin))]
        problem = str(error).split(" in plugin ")[0]
        raise PluginError(_refusal(plugin.name, plugin.location, problem)) from None
    return registry


def _add(registry: Registry, plugin: Plugin) -> None:
    try:
        registry.manager.register(plugin.module, plugin.name)
    except (pluggy.PluginValidationError, ValueError) as error:
        raise PluginError(_refusal(plugin.name, plugin.location, error)) from error
    registry.plugins[plugin.name] = plugin
    for kind in KINDS:
        hook = getattr(plugin.module, f"register_{kind}", None)
        if hook is not None and registry.manager.parse_hookimpl_opts(plugin.module, f"register_{kind}") is not None:
            try:
                hook(register=_bound_register(registry, kind, plugin))
            except PluginError:
                raise
            except Exception as error:
                raise PluginError(_refusal(plugin.name, plugin.location, error)) from error


def _bound_register(registry: Registry, kind: str, plugin: Plugin) -> Callable[[str, Any], None]:
    def register(name: str, component: Any) -> None:
        taken = registry.components[kind].get(name)
        if taken is not None:
            raise PluginError(
                f"plugin {plugin.name!r} registers the {KINDS[kind]} {name!r}, but plugin {taken[1]!r} already did; "
                f"disable one of them in config.yaml: plugins: {{disable: [{plugin.name}]}}"
            )
        problem = _shape_problem(kind, component)
        if problem:
            raise PluginError(f"plugin {plugin.name!r}: {KINDS[kind]} {name!r}: {problem} ({plugin.location})")
        registry.components[kind][name] = (component, plugin.name)

    return register


def _shape_problem(kind: str, component: Any) -> str | None:
    """Why the component can't be of the kind for which it was registered."""
    from automation.contracts.shape import lacking

    if kind == "template_filters":
        return None if callable(component) else "a template filter must be callable"
    return lacking(kind, component)


def _project_files(folder: Path | None) -> Iterator[Path]:
    if folder is None or not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(("_", ".")):
            continue
        if entry.suffix == ".py":
            yield entry
        elif (entry / "__init__.py").is_file():
            yield entry / "__init__.py"


def _installed_file(point: importlib.metadata.EntryPoint) -> set[Path]:
    try:
        spec = importlib.util.find_spec(point.module)
    except (ImportError, ValueError):
        return set()
    return {Path(spec.origin).resolve()} if spec and spec.origin else set()


def _content(path: Path) -> str:
    """A hash of the plugin's source: of the file, or of all files of a package."""
    sources = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _load_installed(point: importlib.metadata.EntryPoint) -> Plugin:
    try:
        module = point.load()
    except Exception as error:
        raise PluginError(_refusal(point.name, _distribution(point), error)) from error
    if not isinstance(module, ModuleType):
        raise PluginError(_refusal(point.name, _distribution(point), "its entry point must name a module"))
    version = point.dist.version if point.dist else ""
    return Plugin(point.name, "installed", _distribution(point), version, module)


def _load_project(name: str, path: Path) -> Plugin:
    private = f"_automation_project_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}_{name}"
    package = path.name == "__init__.py"
    spec = importlib.util.spec_from_file_location(
        private, path, submodule_search_locations=[str(path.parent)] if package else None
    )
    assert spec is not None
    assert spec.loader is not None
    version = _content(path)[:12]  # before it is run, so that a later edit is a change
    module = importlib.util.module_from_spec(spec)
    sys.modules[private] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[private]
        if not isinstance(error, Exception) and not isinstance(error, SystemExit):
            raise
        raise PluginError(_refusal(name, str(path), error)) from error
    return Plugin(name, "project", str(path), version, module)


def _distribution(point: importlib.metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _refusal(name: str, location: str, error: object) -> str:
    kind = f"{type(error).__name__}: " if isinstance(error, BaseException) else ""
    error = "; ".join(str(error).splitlines())
    return (
        f"plugin {name!r} ({location}) can't be loaded: {kind}{error}; "
        f"fix it, or disable it in config.yaml: plugins: {{disable: [{name}]}}"
    )
