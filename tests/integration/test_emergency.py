"""What must work in an emergency needs only the store: not the secrets, nor a valid config.yaml, nor the plugins."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from support.json_commands import Run, json_commands
from support.project import launched_project

from automation.cli.main import main
from automation.clock import SystemClock
from automation.daemon.lock import hold_lock
from automation.store import driver, holds, pauses
from automation.store.driver import sqlite
from automation.store.engine import open_store
from automation.workspace.workspace import open_workspace

CHANNEL = '  hook: {using: webhook, options: {url: "https://shop.example/", secret: "${SHOP_KEY}"}}\nworkers:'


def bad_line(root: Path) -> str:
    add(root, "topics: {promotions: [\n")
    return "config.yaml"


def unset_secret(root: Path) -> str:
    file = root / "config.yaml"
    file.write_text(file.read_text().replace("workers:", CHANNEL))
    return "SHOP_KEY"


def unknown_key(root: Path) -> str:
    add(root, "colour: blue\n")
    return "colour"


def not_utf8(root: Path) -> str:
    (root / "config.yaml").write_bytes(b"shop: \xff\n" + (root / "config.yaml").read_bytes())
    return "UTF-8"


def no_config(root: Path) -> str:
    (root / "config.yaml").unlink()
    return "config.yaml"


def broken_plugin(root: Path) -> str:
    (root / "plugins" / "weather.py").write_text("def broken(:\n")
    return "weather"


def ending_plugin(root: Path) -> str:
    (root / "plugins" / "weather.py").write_text("import sys\nsys.exit('bye')\n")
    return "weather"


BREAKAGES = [bad_line, unset_secret, unknown_key, not_utf8, no_config, broken_plugin, ending_plugin]
UNREADABLE = [bad_line, not_utf8, no_config]


def add(root: Path, line: str) -> None:
    with (root / "config.yaml").open("a") as file:
        file.write(line)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "shop"
    return launched_project(root, customers=3, launched_at=SystemClock().now() - timedelta(hours=1))


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "shop"))


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Calls a command inside the project; returns what it printed for programs."""
    return json_commands(root, capsys, monkeypatch)


def stopped(folder: Path) -> frozenset[str]:
    store = open_store(folder / "store.db")
    with store.reading() as connection:
        found = pauses.paused_scopes(connection).scopes
    store.close()
    return found


@pytest.mark.parametrize("damage", BREAKAGES)
def test_everything_and_each_campaign_stops_and_resumes(root: Path, run: Run, damage: Callable[[Path], str]) -> None:
    damage(root)
    assert run("stop", "--all")["stopped"] == "*"
    assert run("stop", "hello")["stopped"] == "hello"
    assert stopped(root / "var") == {"*", "hello"}
    assert run("resume", "--all")["was_stopped"]
    assert run("resume", "hello")["was_stopped"]
    assert not run("resume", "--clock")["was_stopped"]
    assert not run("resume", "--restored")["was_stopped"]
    assert stopped(root / "var") == frozenset()


@pytest.mark.parametrize("damage", BREAKAGES)
def test_status_backup_and_doctor_say_what_cannot_be_read(
    root: Path, run: Run, damage: Callable[[Path], str], tmp_path: Path
) -> None:
    named = damage(root)
    run("stop", "hello")
    status = run("status")
    assert named in "\n".join(status["unread"])
    assert [(one["name"], one["state"]) for one in status["campaigns"]] == [("hello", "stopped")]
    assert [pause["scope"] for pause in status["paused"]] == ["hello"]
    assert not status["daemon"]["alive"]
    assert run("backup", str(tmp_path / "copy.db"))["bytes"] > 0
    checks = {check["name"]: check for check in run("doctor", ends=1)["checks"]}
    assert checks["project"]["state"] == "error"
    assert named in checks["project"]["detail"]
    assert checks["store"]["state"] == "ok"


@pytest.mark.parametrize("damage", [bad_line, unset_secret, broken_plugin])
def test_explain_shows_what_was_decided(
    root: Path, run: Run, damage: Callable[[Path], str], capsys: pytest.CaptureFixture[str]
) -> None:
    run("run", "hello")
    whole = run("explain", "hello", "c00001")
    named = damage(root)
    for wanted in ("c00001", " C00001@TOY.example"):
        found = run("explain", "hello", wanted)
        assert named in "\n".join(found["unread"])
        assert found["decision"] == whole["decision"]
        assert (found["run"], found["reason"], found["rules"]) == (1, whole["reason"], [])
    assert "no run of 'hello' has decided about 'c9'" in run("explain", "hello", "c9", ends=1)["error"]["message"]
    assert main(["explain", "hello", "c00001"]) == 0
    assert "audience: what the run recorded can't be read" in capsys.readouterr().out


def test_explain_shows_what_was_decided_by_a_launch_that_no_longer_fits(root: Path, run: Run) -> None:
    run("run", "hello")
    file = root / "config.yaml"
    file.write_text(file.read_text().replace("promotions: marketing", "news: marketing"))
    found = run("explain", "hello", "c00001")
    assert (found["decision"]["outcome"], found["rules"], found["unread"]) == ("message", [], [])


@pytest.mark.parametrize("damage", BREAKAGES)
def test_an_address_is_suppressed_a_run_released_and_a_migration_confirmed(
    root: Path, run: Run, damage: Callable[[Path], str]
) -> None:
    made = run("run", "hello")["id"]
    with open_workspace(root) as workspace, workspace.store.transaction() as connection:
        holds.hold(connection, made, guard="size", what="too many", now=SystemClock().now())
    damage(root)
    assert run("consent", "suppressions", "add", "eve@x.example")["added"] == 1
    refused = run("consent", "suppressions", "add", "eve@x.example", "--channel", "email", ends=2)
    assert "no channel or topic" in refused["error"]["message"]
    assert [row["address"] for row in run("consent", "suppressions", "list")["suppressions"]] == ["eve@x.example"]
    assert run("consent", "suppressions", "remove", "eve@x.example")["removed"] == 1
    assert run("release", str(made))["hold"] is None
    assert run("status", str(made))["state"] == "planning"  # a daemon goes on with it
    assert run("migrate", "--nothing-to-import", "--by", "Ana", "--because", "a new shop")["complete"]


STORE_ONLY = [
    ["stop", "--all"],
    ["resume", "--all"],
    ["resolve", "m1", "--sent"],
    ["backup", "copy.db"],
    ["keys"],
]
HEAVY = ["apscheduler", "deltalake", "duckdb", "ibis", "numpy", "pandas", "polars", "pyarrow", "sklearn", "surprise"]
WITHOUT = """
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {heavy!r}:
            raise ImportError(f"{{name}} is broken")
sys.meta_path.insert(0, Broken())
from automation.cli.main import main
sys.exit(main({arguments!r}))
"""


@pytest.mark.parametrize("arguments", STORE_ONLY, ids=[arguments[0] for arguments in STORE_ONLY])
def test_no_library_of_the_warehouse_or_the_models_is_needed(root: Path, arguments: list[str]) -> None:
    """An upgrade that breaks one of them disarms nothing, and the commands start fast."""
    program = WITHOUT.format(heavy=HEAVY, arguments=["--project", str(root), *arguments])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    expected = "message 'm1' is not in the store" if arguments[0] == "resolve" else ""
    assert (done.returncode == 0) == (expected == ""), done.stderr
    assert expected in done.stderr


def test_what_cannot_be_read_is_said_to_people_too(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad_line(root)
    assert main(["--project", str(root), "stop", "--all"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "stopped everything; to resume: automation resume --all\n"
    assert "config.yaml:" in printed.err


def test_a_campaign_that_nobody_knows_is_refused(root: Path, run: Run) -> None:
    bad_line(root)
    (root / "campaigns" / "draft.yaml").write_text("name: spring\naudience: [\n")
    assert run("stop", "draft")["stopped"] == "draft"  # its name can't be read, so the file's counts
    message = run("stop", "helo", ends=1)["error"]["message"]
    assert message == "there is no campaign 'helo'; the project has: draft, hello"


def test_a_folder_above_is_found_without_config(root: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    no_config(root)
    monkeypatch.chdir(root / "campaigns")
    run("stop", "--all")
    assert stopped(root / "var") == {"*"}


@pytest.mark.parametrize("damage", UNREADABLE)
@pytest.mark.parametrize("written", ["data_dir: data", "data_dir:   'data'  # ours", 'data_dir: "data"'])
def test_another_data_folder_is_found(root: Path, run: Run, damage: Callable[[Path], str], written: str) -> None:
    add(root, f"{written}\n")
    (root / "var").rename(root / "data")
    damage(root)
    run("stop", "--all")
    assert stopped(root / "data") == {"*"}
    assert not (root / "var").exists()


def test_a_data_folder_elsewhere_is_found_by_its_line(root: Path, run: Run, tmp_path: Path) -> None:
    add(root, f"data_dir: {tmp_path / 'elsewhere'}\r\n")
    (root / "var").rename(tmp_path / "elsewhere")
    bad_line(root)
    run("stop", "--all")
    assert stopped(tmp_path / "elsewhere") == {"*"}


def test_a_data_folder_that_cannot_be_told_is_asked_for(root: Path, run: Run, tmp_path: Path) -> None:
    (root / "var").rename(tmp_path / "elsewhere")
    bad_line(root)
    error = run("stop", "--all", ends=2)["error"]["message"]
    assert "config.yaml:" in error
    assert error.endswith("has no data folder with a store; name it with --data-dir DIR")
    assert "is no data folder" in run("stop", "--all", "--data-dir", str(root), ends=2)["error"]["message"]
    run("stop", "--all", "--data-dir", str(tmp_path / "elsewhere"))
    assert stopped(tmp_path / "elsewhere") == {"*"}
    assert not (root / "var").exists()
    run("resume", "--all", "--data-dir", str(tmp_path / "elsewhere"))
    assert run("status", "--data-dir", str(tmp_path / "elsewhere"))["paused"] == []


def test_several_data_folders_are_asked_about(root: Path, run: Run) -> None:
    shutil.copytree(root / "var", root / "old")
    (root / "var").rename(root / "new")
    bad_line(root)
    assert "several data folders" in run("stop", "--all", ends=2)["error"]["message"]


def test_the_data_folder_of_the_running_daemon_comes_first(root: Path, run: Run) -> None:
    """config.yaml may have been changed since the daemon started."""
    with hold_lock(root / "var"):
        add(root, "data_dir: data\n")
        unread = run("stop", "--all")["unread"]
        assert "is the one that the daemon works on" in unread[0]
        assert stopped(root / "var") == {"*"}
        assert not (root / "data").exists()
        assert run("status")["daemon"]["alive"]
    run("stop", "--all")  # without a daemon, what config.yaml says
    assert stopped(root / "data") == {"*"}


def test_stop_waits_for_a_locked_store(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(driver._PRAGMAS, "busy_timeout", 10)
    other = sqlite.connect(root / "var" / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    said: list[str] = []

    def release(line: str) -> None:
        said.append(line)
        if len(said) == 3:
            other.rollback()

    monkeypatch.setattr("automation.cli.output.Output.error", lambda _self, line: release(line))
    assert main(["--project", str(root), "stop", "--all"]) == 0
    assert said == ["another process is writing to the store; still trying to stop"] * 3
    assert stopped(root / "var") == {"*"}
    other.close()
    capsys.readouterr()


@pytest.mark.parametrize("damage", UNREADABLE)
def test_the_records_of_consent_can_be_read(root: Path, run: Run, damage: Callable[[Path], str]) -> None:
    damage(root)
    assert len(run("consent", "export")["records"]) == 3
    assert run("consent", "pending")["pending"] == []


@pytest.mark.parametrize("damage", UNREADABLE)
def test_a_consent_can_be_withdrawn(root: Path, run: Run, damage: Callable[[Path], str]) -> None:
    damage(root)
    done = run("consent", "withdraw", "c00000", "--topic", "promotions", "--source", "call")
    assert (done["customers"], done["recorded"], done["granted"]) == (["c00000"], 1, False)
    records = [(record["customer_id"], record["granted"]) for record in run("consent", "export")["records"]]
    assert records[-1] == ("c00000", "no")
