"""How long the help and the commands that start at once take, against an argparse hello-world, and what they load.

All are whole processes, started in turn, in a demo shop; the rival is the least that a command line in Python can be.
`status` is measured as it is once its first call has read the project's files. Beside them is `consent show`, which
looks the person up in the warehouse. The CPU of `explain`, `validate` and `plan` is measured against that of
`import ibis, duckdb`; the aim is 1.5 s, which they don't reach yet. They must not load pandas.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
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
main(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
"""
HEAVY = (
    *("numpy", "sqlalchemy", "sqlmodel", "alembic", "polars", "ibis", "duckdb", "pandas", "pyarrow", "deltalake"),
    *("sklearn", "pydantic", "rich", "typer", "structlog"),
)
UNUSED = ("pandas", "pyarrow.dataset", "ibis.backends.sql.compilers.postgres")
AT_ONCE = (
    *(("stop", "--all"), ("resume", "--all"), ("resolve", "--run", "1", "--sent")),
    *(("status",), ("status", "1"), ("consent", "pending")),
)
BESIDE = (("consent", "show", "c000001"),)
CPU = (("explain", "winback", "c000001"), ("validate",), ("plan", "winback"))


def main() -> int:
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as folder:
        hello, shop = Path(folder) / "hello.py", Path(folder) / "shop"
        hello.write_text(HELLO)
        make_shop(shop, customers=300 if options.quick else 3_000)
        argparse = [sys.executable, str(hello), "--help"]
        measures = [*measure_help(argparse, rounds=15 if options.quick else 40)]
        measures += measure_commands(argparse, shop, rounds=7 if options.quick else 20)
        measures += measure_cpu(shop, rounds=1 if options.quick else 5)
    return report(measures, options.format)


def make_shop(shop: Path, *, customers: int) -> None:
    command = [*automation(), "demo", "--folder", str(shop), "--customers", str(customers)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def automation() -> list[str]:
    script = Path(sys.executable).parent / "automation"
    return [str(script)] if script.exists() else [sys.executable, "-m", "automation"]


def measure_help(argparse: Sequence[str], *, rounds: int) -> list[Measure]:
    milliseconds = median_milliseconds(
        {"argparse": argparse, "help": [*automation(), "--help"], "bare": [sys.executable, "-c", "pass"]}, rounds
    )
    times = milliseconds["help"] / milliseconds["argparse"]
    return [
        Measure("bare Python starts", milliseconds["bare"], "ms"),
        Measure("automation --help", milliseconds["help"], "ms", milliseconds["argparse"], times, "ratio <= 4"),
        measure_heavy("--help"),
    ]


def measure_commands(argparse: Sequence[str], shop: Path, *, rounds: int) -> list[Measure]:
    """Commands in turn with the rival; those that start at once have targets."""
    commands = {" ".join(words): words for words in (*AT_ONCE, *BESIDE)}
    started_ = {name: [*automation(), "--project", str(shop), *words] for name, words in commands.items()}
    milliseconds = median_milliseconds({"argparse": argparse, **started_}, rounds)
    measures = []
    for name, words in commands.items():
        target = "ratio <= 6" if words in AT_ONCE else ""
        least = milliseconds["argparse"]
        measures.append(Measure(name, milliseconds[name], "ms", least, milliseconds[name] / least, target))
        if words in AT_ONCE:
            measures.append(measure_heavy("--project", str(shop), *words))
    return measures


def measure_cpu(shop: Path, *, rounds: int) -> list[Measure]:
    """User and system time, with that of child processes; in turn with the rival, the median.

    Python keeps what it compiled, as it does for users, whatever the environment says.
    """
    commands = {" ".join(words): [*automation(), "--project", str(shop), *words] for words in CPU}
    rivals = {"ibis": [sys.executable, "-c", "import ibis, duckdb"], **commands}
    taken: dict[str, list[float]] = {name: [] for name in rivals}
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
        for command in rivals.values():
            spend_cpu(command, environment)  # compiles
        for name, command in [*rivals.items()] * rounds:
            taken[name].append(spend_cpu(command, environment))
    spent = {name: statistics.median(times) for name, times in taken.items()}
    measures = [
        Measure(f"CPU of {name} (aim: 1.5 s)", spent[name], "s", spent["ibis"], spent[name] / spent["ibis"])
        for name in commands
    ]
    return measures + [measure_unused("--project", str(shop), *words) for words in CPU]


def spend_cpu(command: Sequence[str], environment: Mapping[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(environment))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def median_milliseconds(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, float]:
    rivals = {name: started(command) for name, command in commands.items()}
    for rival in rivals.values():
        rival()  # what is compiled or cached at the first start is no part of it
    return {name: 1000 * taken for name, taken in median_seconds(rivals, rounds).items()}


def measure_heavy(*arguments_: str) -> Measure:
    return count_modules("heavy", HEAVY, arguments_)


def measure_unused(*arguments_: str) -> Measure:
    """`validate` only reads the store by statements."""
    return count_modules("unused", (*UNUSED, "sqlalchemy") if "validate" in arguments_ else UNUSED, arguments_)


def count_modules(kind: str, unwanted: Sequence[str], words: Sequence[str]) -> Measure:
    found = sorted(set(unwanted) & set(loaded(words)))
    name = " ".join(word for word in words if not word.startswith("/") and word != "--project")
    about = f"{kind} modules that {name} loads ({', '.join(found) or 'none'})"
    return Measure(about, len(found), "modules", target="value <= 0")


def started(command: Sequence[str]) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def loaded(words: Sequence[str]) -> list[str]:
    """The modules that the command loads."""
    done = subprocess.run([sys.executable, "-c", LOADED, *words], check=True, capture_output=True, text=True)
    return done.stderr.splitlines()[-1].split()


if __name__ == "__main__":
    sys.exit(main())
