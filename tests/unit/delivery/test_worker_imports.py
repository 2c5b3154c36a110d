"""A worker process that has opened a project has loaded no database library, and neither store nor warehouse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
REFUSED = {"sqlalchemy", "sqlmodel", "duckdb", "ibis", "deltalake", "alembic", "polars", "numpy"}
_OPEN = """
import asyncio, json, sys
from pathlib import Path
from automation.delivery import worker

class Silent:
    def is_closing(self):
        return True

opened = worker.Worker(None, Silent())
root, recorder = Path(sys.argv[1]), Path(sys.argv[2])
hello = {"root": str(root), "cwd": str(root), "secret": "00" * 32, "recorder": str(recorder), "revocations": None}
asyncio.run(asyncio.to_thread(opened._begin, {**hello, "config": (root / "config.yaml").read_text()}))
print(json.dumps([opened._project.settings.shop.name, sorted(sys.modules)]))
"""


def test_a_worker_that_opened_a_project_has_loaded_no_database_library(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _OPEN, str(ROOT), str(tmp_path / "recorder")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shop, modules = json.loads(done.stdout.splitlines()[-1])
    assert shop
    assert "automation.delivery.worker" in modules
    assert "automation_email" in modules  # the plugins are loaded too
    assert {name.partition(".")[0] for name in modules} & REFUSED == set()
    assert [name for name in modules if name.startswith(("automation.store", "automation.warehouse"))] == []
