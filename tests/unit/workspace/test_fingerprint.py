"""The fingerprint of a project changes with everything that reading its files depends on, and with nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from automation.workspace.fingerprint import project_fingerprint

ENVIRONMENT = {"SHOP_KEY": "one", "HOME": "/"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for file in ("campaigns/a.yaml", "templates/hello/email.html", "plugins/weather/__init__.py", "var/store.db"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("one")
    (tmp_path / "config.yaml").write_text("secret: ${SHOP_KEY}")
    return tmp_path


def rewrite(file: str) -> Callable[[Path, dict[str, str]], None]:
    """The size and the time of the file stay the same."""

    def change(root: Path, _: dict[str, str]) -> None:
        path = root / file
        times = path.stat()
        path.write_text(path.read_text().translate(str.maketrans("oK", "uk")))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    return change


CHANGES: dict[str, Callable[[Path, dict[str, str]], object]] = {
    "config.yaml": rewrite("config.yaml"),
    "a campaign": rewrite("campaigns/a.yaml"),
    "a template": rewrite("templates/hello/email.html"),
    "a plugin": rewrite("plugins/weather/__init__.py"),
    "a new file": lambda root, _: (root / "campaigns" / "b.yaml").touch(),
    "a removed file": lambda root, _: (root / "campaigns" / "a.yaml").unlink(),
    "a renamed file": lambda root, _: (root / "campaigns/a.yaml").rename(root / "campaigns/b.yaml"),
    "a moved file": lambda root, _: (root / "templates/hello/email.html").rename(root / "templates/email.html"),
    "no config.yaml": lambda root, _: (root / "config.yaml").unlink(),
    "a pipe": lambda root, _: os.mkfifo(root / "campaigns" / "b.yaml"),
    "a secret": lambda _, environment: environment.update(SHOP_KEY="two"),
    "no secret": lambda _, environment: environment.pop("SHOP_KEY"),
    "allowed secrets": lambda _, environment: environment.update(AUTOMATION_SECRETS="OTHER"),
    "wanted plugins": lambda _, environment: environment.update(AUTOMATION_PLUGINS="weather"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_it_changes_with(root: Path, what: str) -> None:
    environment = ENVIRONMENT.copy()
    before = project_fingerprint(root, environment)
    CHANGES[what](root, environment)
    assert project_fingerprint(root, environment) != before


def test_it_stays_where_nothing_that_is_read_changes(root: Path) -> None:
    before = project_fingerprint(root, ENVIRONMENT)
    (root / "var" / "store.db").write_text("two")
    (root / "plugins" / "weather" / "__pycache__").mkdir()
    (root / "README.md").touch()
    os.utime(root / "config.yaml")
    assert project_fingerprint(root, {**ENVIRONMENT, "HOME": "/home"}) == before


def test_it_changes_with_an_installed_distribution(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path_factory.mktemp("site")
    monkeypatch.syspath_prepend(place)
    before = project_fingerprint(root, ENVIRONMENT)
    (place / "weather-1.0.dist-info").mkdir()
    assert project_fingerprint(root, ENVIRONMENT) != before


def test_a_link_that_leads_around_in_a_circle_ends(root: Path) -> None:
    (root / "templates" / "hello" / "again").symlink_to(root / "templates")
    assert project_fingerprint(root, ENVIRONMENT)
