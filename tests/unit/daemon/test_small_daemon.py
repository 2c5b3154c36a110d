"""What only planning needs is loaded by the planning process, so that an idle daemon stays small."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("ibis", "duckdb", "sqlglot", "pyarrow", "deltalake", "pandas", "numpy", "scipy", "sklearn", "surprise")
LOADED = "import sys, automation.daemon.service, automation.web.server; print(*sys.modules)"


def test_a_daemon_with_its_web_app_loads_nothing_that_only_planning_needs() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "automation" in loaded
    assert sorted(loaded.intersection(HEAVY)) == []
