"""How long `automation --help` takes, against the help of an argparse hello-world, and what it loads.

Both are whole processes, started in turn. The rival is the least that a command line in Python can be.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from measure import Measure, arguments, median_seconds, report

HELLO = """
import argparse
parser = argparse.ArgumentParser(description="Says hello.")
parser.add_argument("name", help="to whom")
print("hello", parser.parse_args().name)
"""
LOADED = """
import sys
from automation.cli.main import main
main(["--help"])
print(*sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
"""
HEAVY = ("numpy", "sqlalchemy", "polars", "ibis", "pydantic", "rich", "typer", "structlog")


def main() -> int:
    options = arguments(__doc__ or "")
    rounds = 15 if options.quick else 40
    with tempfile.TemporaryDirectory() as folder:
        hello = Path(folder) / "hello.py"
        hello.write_text(HELLO)
        script = Path(sys.executable).parent / "automation"
        ours = [str(script)] if script.exists() else [sys.executable, "-m", "automation"]
        rivals = {
            "argparse": started([sys.executable, str(hello), "--help"]),
            "automation": started([*ours, "--help"]),
            "bare": started([sys.executable, "-c", "pass"]),
        }
        for rival in rivals.values():
            rival()  # what is compiled or cached at the first start is no part of it
        taken = median_seconds(rivals, rounds)
    milliseconds = {name: 1000 * seconds for name, seconds in taken.items()}
    times = milliseconds["automation"] / milliseconds["argparse"]
    heavy = sorted(set(HEAVY) & set(loaded()))
    return report(
        [
            Measure("bare Python starts", milliseconds["bare"], "ms"),
            Measure(
                "automation --help", milliseconds["automation"], "ms", milliseconds["argparse"], times, "ratio <= 4"
            ),
            Measure(f"heavy modules loaded ({', '.join(heavy) or 'none'})", len(heavy), "modules", target="value <= 0"),
        ],
        options.format,
    )


def started(command: Sequence[str]) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def loaded() -> list[str]:
    """The top-level modules that printing the help loads."""
    done = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    return done.stderr.split()


if __name__ == "__main__":
    sys.exit(main())
