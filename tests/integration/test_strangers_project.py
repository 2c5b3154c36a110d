"""Looking at a project that came from a stranger: nothing of it runs, and nothing of this machine is read for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.toy_project import BODY, CAMPAIGN, CONFIG

import automation
from automation.config.project import load_project
from automation.errors import ConfigurationError
from automation.runner.validation import validate
from automation.workspace.plugins import registry_of

SECRET = "a-secret-of-this-machine-0123456789"
READS_SECRET = CONFIG + "web: {api_keys: ['${SHOP_KEY}']}\n"
PLUGIN = """
from pathlib import Path
Path(__file__).with_name("it-ran").touch()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHOP_KEY", SECRET)
    for folder in ("campaigns", "templates/toy", "plugins"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(READS_SECRET)
    (tmp_path / "campaigns/toy.yaml").write_text(CAMPAIGN)
    (tmp_path / "templates/toy/email.html").write_text(BODY)
    (tmp_path / "templates/toy/en.yaml").write_text("subject: Hello\n")
    (tmp_path / "plugins/evil.py").write_text(PLUGIN)
    return tmp_path


def told(root: Path, *, trusted: bool = False) -> list[str]:
    return [str(problem) for problem in validate(root, trusted=trusted).problems if problem.severity == "error"]


def test_validating_without_plugins_runs_nothing_and_reads_no_variable(project: Path) -> None:
    found = validate(project, trusted=False)
    assert found.valid
    assert not (project / "plugins/it-ran").exists()
    assert found.project is not None
    assert found.project.settings.web is not None
    assert SECRET not in [key.get_secret_value() for key in found.project.settings.web.api_keys]
    assert not (project / "var").exists()
    assert validate(project).valid
    assert (project / "plugins/it-ran").exists(), "the plugin would have run"


def test_tests_are_not_run_where_there_are_conditions_in_sql(project: Path) -> None:
    """The condition is code. The campaign's test would fail if it were run."""
    campaign = CAMPAIGN.replace("{did: purchase}", "everyone")
    wrong = "expect: [{customer: {first_name: Ana}, today: 2026-03-30, outcome: not_in_audience}]\n"
    (project / "campaigns/toy.yaml").write_text(campaign + wrong)
    assert len(told(project)) == 1
    condition = 'conditions:\n  evil: {sql: "SELECT customer_id FROM customers"}\n'
    (project / "config.yaml").write_text(READS_SECRET + condition)
    assert told(project) == []
    assert len(told(project, trusted=True)) == 1


@pytest.mark.parametrize(
    ("allowed", "read"),
    [("SHOP_*", True), ("OTHER, SHOP_KEY", True), ("*", True), ("SHOP", False), ("", False), ("shop_*", False)],
)
def test_files_read_only_the_variables_that_are_allowed(
    project: Path, monkeypatch: pytest.MonkeyPatch, allowed: str, read: bool
) -> None:
    monkeypatch.setenv("AUTOMATION_SECRETS", allowed)
    registry = registry_of(project, own=False)
    if read:
        web = load_project(project, registry).settings.web
        assert web is not None
        assert [key.get_secret_value() for key in web.api_keys] == [SECRET]
    else:
        with pytest.raises(ConfigurationError) as refused:
            load_project(project, registry)
        assert "AUTOMATION_SECRETS does not allow the environment variable SHOP_KEY; it allows: " in str(refused.value)
        assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", ["config.yaml", "campaigns/toy.yaml", "templates/toy/en.yaml"])
@pytest.mark.parametrize("kind", ["pipe", "device", "outside"])
def test_only_plain_files_are_read(
    project: Path, name: str, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = project / name
    outside = tmp_path_factory.mktemp("outside") / "file.yaml"
    outside.write_text(path.read_text())
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else outside)
    found = " ".join(told(project))
    assert "no plain file" in found or "link leads outside" in found or name == "templates/toy/en.yaml"
    assert not validate(project, trusted=False).valid


def test_a_link_inside_the_project_is_followed(project: Path) -> None:
    """As deployments make them, that switch a whole folder at once."""
    (project / "..data").mkdir()
    (project / "config.yaml").rename(project / "..data/config.yaml")
    (project / "config.yaml").symlink_to("..data/config.yaml")
    assert validate(project, trusted=False).valid


def test_pages_are_plain_files_too(project: Path) -> None:
    (project / "templates/web").mkdir()
    (project / "templates/web/page.html").symlink_to("/etc/passwd")
    assert "templates/web/page.html:1:1: not a plain file in this folder; copy it instead" in " ".join(told(project))


def test_no_process_of_ours_imports_from_the_project_s_folder(project: Path) -> None:
    """A file that is called like a module of Python's own would run in place of it."""
    for module in ("json", "asyncio", "css_inline", "multiprocessing", "email"):
        (project / f"{module}.py").write_text(PLUGIN.replace("it-ran", f"{module}-ran"))
    done = subprocess.run(
        [Path(sys.executable).with_name("automation"), "validate", "--no-plugins"],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(project.glob("*-ran"))


def test_every_process_that_runs_a_module_of_ours_is_started_so() -> None:
    """`python -m` puts the working folder first, `python -P -m` does not."""
    root = Path(automation.__file__).parent
    commands = [found for path in root.rglob("*.py") for found in re.findall(r"sys\.executable, .*", path.read_text())]
    assert len(commands) >= 4
    assert [command for command in commands if '"-m"' in command and '"-P"' not in command] == []
