"""Plugins for tests: installed ones as pip leaves them, and those of a project's own folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

from automation.errors import PluginError
from automation.plugin_manager import GROUP, Registry, load_plugins

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
