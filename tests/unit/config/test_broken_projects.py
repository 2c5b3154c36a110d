"""Every project in tests/projects is refused with exactly the text beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from automation.config.project import load_project
from automation.config.settings_file import disabled_plugins
from automation.errors import ConfigurationError
from automation.plugin_manager import load_plugins
from automation.rules import core

PROJECTS = Path(__file__).resolve().parents[2] / "projects"
BROKEN = sorted(path.parent for path in PROJECTS.glob("*/expected.txt"))
PLACED = re.compile(r"[\w./-]+\.yaml:[1-9]\d*:[1-9]\d*: \S")


def shown(root: Path) -> str:
    """What the command line shows for the folder, paths relative to it."""
    try:
        registry = load_plugins(root / "plugins", core=[core], disabled=disabled_plugins(root))
        text = "\n".join(str(problem) for problem in load_project(root, registry, environment={}).problems)
    except ConfigurationError as error:
        text = str(error)
    return text.replace(f"{root}/", "").replace(str(root), root.name) + "\n"


@pytest.mark.parametrize("root", BROKEN, ids=lambda root: root.name)
def test_says_exactly_what_is_wrong_and_where(root: Path) -> None:
    text = shown(root)
    assert text == (root / "expected.txt").read_text(encoding="utf-8")
    assert "Traceback" not in text
    if root.name.startswith("plugin-"):
        assert text.startswith("plugin 'weather'")
        assert "plugins/weather.py" in text or "disable" in text
    elif (root / "config.yaml").exists():
        assert all(PLACED.match(line) for line in text.splitlines())


def test_there_are_many_and_they_differ() -> None:
    texts = {(root / "expected.txt").read_text(encoding="utf-8") for root in BROKEN}
    assert len(BROKEN) >= 150
    assert len(texts) >= 0.95 * len(BROKEN)


@pytest.mark.parametrize(
    "root", [root for root in BROKEN if root.name.startswith("secret-")], ids=lambda root: root.name
)
def test_never_shows_a_secret(root: Path) -> None:
    assert "hunter2" not in shown(root)
