"""A newsletter to a large audience, by the command line, in little memory.

40,000 customers, or as many as `AUTOMATION_TEST_CUSTOMERS` in the environment says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CUSTOMERS = int(os.environ.get("AUTOMATION_TEST_CUSTOMERS", "40000"))
LIMIT_MB = 600
MAKE_SHOP = """
import sys
from datetime import timedelta
from importlib import resources
from pathlib import Path
from automation.clock import SystemClock
from automation.demo.shop import generate, write

folder = Path(sys.argv[1])
folder.mkdir()
write(generate(7, int(sys.argv[2]), until=SystemClock().now() - timedelta(hours=1), activity=0.1), folder)
(folder / "mapping.yaml").write_text(resources.files("automation.demo").joinpath("mapping.yaml").read_text())
"""

WATCH = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's project with a large shop's customers, events and fitted model."""
    root = tmp_path_factory.mktemp("large") / "shop"
    root.mkdir()
    shutil.copy(ROOT / "config.yaml", root)
    for name in ("campaigns", "templates"):
        shutil.copytree(ROOT / name, root / name)
    newsletter = root / "campaigns" / "newsletter.yaml"
    day_and_night = newsletter.read_text().partition("\nlimits:")[0]
    newsletter.write_text(f"{day_and_night}\n")  # without quiet hours, so that the test passes at any hour
    subprocess.run([sys.executable, "-c", MAKE_SHOP, root / "data", str(CUSTOMERS)], check=True)
    for table in ("customers", "products", "events"):
        automation(root, "import", table, f"data/{table}.csv", "--mapping", "data/mapping.yaml")
    automation(root, "train", "similar")
    return root


def automation(root: Path, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "automation", "--format", "json", *arguments],
        cwd=root, capture_output=True, text=True, check=False, timeout=timedelta(minutes=10).total_seconds(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def peak_megabytes(root: Path, *arguments: str) -> tuple[int, float]:
    """The exit code of a command and the most memory that its process held.

    A small process starts it and asks, since a child is told its parent's size of the moment in which it was forked.
    """
    command = [sys.executable, "-m", "automation", "--format", "json", *arguments]
    with (root / "output.json").open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-c", WATCH, *command],
            cwd=root,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    return done.returncode, int(done.stderr.splitlines()[-1]) / 1024


def test_a_campaign_with_a_large_audience_ends_in_little_memory(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    automation(project, "launch", "newsletter", "--yes")
    code, megabytes = peak_megabytes(project, "run", "newsletter", "--request", "large")
    account = json.loads((project / "output.json").read_text())["account"]
    with capsys.disabled():  # the figure is worth a line in every log
        sys.stdout.write(f" {account['sent']:,} of {account['audience']:,} sent; peak {megabytes:.0f} MB ")
    assert code == 0
    assert account["audience"] == CUSTOMERS
    assert account["audience"] == sum(account[name] for name in account if name != "audience")
    assert account["sent"] > CUSTOMERS / 2
    assert account["queued"] == account["sending"] == account["ambiguous"] == account["failed"] == 0
    with (project / "var" / "outbox" / "messages.jsonl").open() as lines:
        ids = [json.loads(line)["id"] for line in lines]
    assert len(ids) == len(set(ids)) == account["sent"]
    assert megabytes < LIMIT_MB
