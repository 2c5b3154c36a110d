"""Commands that people type in a hurry start at once: they load no library for data and none for the database."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from support.ledger import plan_run
from support.project import launched_project

from automation.clock import SystemClock
from automation.runner.kept_outline import keep_outline
from automation.runner.outline import read_outline
from automation.store import pauses
from automation.store.engine import open_store
from automation.store.statements import execute
from automation.workspace.fingerprint import project_fingerprint
from automation.workspace.workspace import open_workspace

REFUSED = {
    *("sqlalchemy", "sqlmodel", "alembic", "duckdb", "ibis", "deltalake", "pandas", "polars", "pyarrow", "numpy"),
    *("sklearn", "typer", "pydantic", "structlog", "rich", "jinja2"),
}
CALL = (
    "import sys, json; from automation.cli.main import main; code = main(sys.argv[1:]);"
    "print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A launched campaign; a run with a message that may have arrived, a queued one and a holdout."""
    root = tmp_path_factory.mktemp("made") / "shop"
    launched_project(root, customers=3, launched_at=SystemClock().now() - timedelta(hours=1))
    store = open_store(root / "var" / "store.db")
    run = plan_run(store, ["c1", "c2", "c3"], {"c3": "holdout"})
    with store.transaction() as connection:
        maybe = "UPDATE message_status SET state = 'ambiguous' WHERE message_id = (SELECT min(id) FROM message)"
        execute(connection, maybe)
        execute(connection, "UPDATE launch SET ended_at = 1 WHERE campaign = 'winback'")  # it has no file that fits
    store.close()
    assert run == 1
    with open_workspace(root) as workspace:  # as the first `status` does
        keep_outline(workspace, read_outline(workspace), project_fingerprint(root))
    return root


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stop", "--all"], "stopped everything; to resume: automation resume --all"),
        (["stop", "hello"], "stopped hello; to resume: automation resume hello"),
        (["resume", "--all"], "resumed everything"),
        (["resume", "hello"], "resumed hello"),
        (["resume", "--channel", "email"], "the channel email was not stopped or paused"),
        (["resume", "--clock"], "everything was not stopped or paused"),
        (["status"], "daemon: not running"),
        (["consent", "pending"], "no consent is waiting for confirmation"),
        (["status", "1"], "run 1 of winback"),
        (["resolve", "--run", "1", "--sent"], "1 message of run 1 counts as sent"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_the_command_loads_no_heavy_library(root: Path, arguments: list[str], said: str) -> None:
    stopped = [arguments[1]] if arguments[0] == "resume" and said.startswith("resumed") else []
    _set_pauses(root, ["*" if one == "--all" else one for one in stopped])
    command = [sys.executable, "-c", CALL, "--project", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert (code, said in done.stdout) == (0, True), done.stdout
    assert {name.partition(".")[0] for name in modules} & REFUSED == set()


def _set_pauses(root: Path, scopes: list[str]) -> None:
    """Exactly these are stopped, whatever other tests did before."""
    store = open_store(root / "var" / "store.db")
    with store.transaction() as connection:
        execute(connection, "DELETE FROM pause")
        for scope in scopes:
            pauses.stop(connection, scope, by="ana", now=SystemClock().now())
    store.close()
