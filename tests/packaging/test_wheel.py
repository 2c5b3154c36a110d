"""A wheel is built, and what is in it is compared with the tree: nothing missing, nothing more."""

from __future__ import annotations

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = {".py", ".typed", ".yaml", ".mako", ".mjml", ".html", ".css", ".txt"}
STARTER = ("config.yaml", "campaigns", "templates")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def contents(wheel: zipfile.ZipFile) -> set[str]:
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def files(folder: Path, *, below: Path) -> set[str]:
    """Every file there that belongs to the project, as seen from `below`."""
    return {
        path.relative_to(below).as_posix()
        for path in (folder.rglob("*") if folder.is_dir() else [folder])
        if path.is_file() and path.suffix != ".pyc" and not path.name.startswith(".")
    }


def test_the_wheel_holds_the_packages_and_the_starter_project(contents: set[str]) -> None:
    starter = {f"automation/starter/{name}" for part in STARTER for name in files(ROOT / part, below=ROOT)}
    packages = files(ROOT / "automation", below=ROOT) | files(ROOT / "plugins", below=ROOT / "plugins")
    assert contents == packages | starter
    assert len(starter) > 20


def test_nothing_but_code_and_texts_is_in_it(wheel: zipfile.ZipFile, contents: set[str]) -> None:
    tops = {name.split("/")[0] for name in contents}
    assert tops == {"automation"} | {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}
    assert {Path(name).suffix for name in contents} <= SUFFIXES
    assert [entry.filename for entry in wheel.infolist() if entry.file_size > 100_000] == []


def test_every_package_is_typed(contents: set[str]) -> None:
    for top in {name.split("/")[0] for name in contents}:
        assert f"{top}/py.typed" in contents


def test_what_the_code_reads_beside_itself_is_in_it(contents: set[str]) -> None:
    assert {
        "automation/warehouse/importing/presets/shopify.yaml",
        "automation/warehouse/importing/presets/klaviyo.yaml",
        "automation/store/migrations/script.py.mako",
        "automation/store/migrations/versions/0001_the_first_schema.py",
        "automation/demo/mapping.yaml",
        "automation/starter/config.yaml",
        "automation/starter/templates/layouts/base.mjml",
    } <= contents


def test_every_plugin_has_one_entry_point(wheel: zipfile.ZipFile) -> None:
    points = entry_points(wheel)
    packages = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}
    assert points["automation.plugins"] == {name.removeprefix("automation_"): name for name in packages}
    assert points["console_scripts"] == {"automation": "automation.cli.main:main"}


def entry_points(wheel: zipfile.ZipFile) -> dict[str, dict[str, str]]:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read_string(wheel.read(name).decode())
    return {section: dict(parser[section]) for section in parser.sections()}


def test_the_licence_and_the_readme_travel_with_it(wheel: zipfile.ZipFile) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel.namelist())
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = wheel.read(name).decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert (ROOT / "README.md").read_text().strip() in metadata
