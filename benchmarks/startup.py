"""How long the help and the commands that start at once take, against an argparse hello-world, and what they load.

All are whole processes, started in turn, in a demo shop; the rival is the least that a command line in Python can be.
`status` and `consent` are measured beside them, and the CPU of `explain`, `validate` and `plan`, without a target yet.
"""

from __future__ import annotations

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
print(*sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
"""
HEAVY = (
    *("numpy", "sqlalchemy", "sqlmodel", "alembic", "polars", "ibis", "duckdb", "pandas", "pyarrow", "deltalake"),
    *("sklearn", "pydantic", "rich", "typer", "structlog"),
)
AT_ONCE = (("stop", "--all"), ("resume", "--all"), ("resolve", "--run", "1", "--sent"))
BESIDE = (("status",), ("consent", "pending"))
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
    """User and system time, with that of child processes; in turn, the median."""
    taken: dict[str, list[float]] = {" ".join(words): [] for words in CPU}
    for _ in range(rounds):
        for words in CPU:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [*automation(), "--project", str(shop), *words]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            taken[" ".join(words)].append(spent)
    return [Measure(f"CPU of {name}", statistics.median(spent), "s") for name, spent in taken.items()]


def median_milliseconds(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, float]:
    rivals = {name: started(command) for name, command in commands.items()}
    for rival in rivals.values():
        rival()  # what is compiled or cached at the first start is no part of it
    return {name: 1000 * taken for name, taken in median_seconds(rivals, rounds).items()}


def measure_heavy(*arguments_: str) -> Measure:
    heavy = sorted(set(HEAVY) & set(loaded(arguments_)))
    name = " ".join(word for word in arguments_ if not word.startswith("/") and word != "--project")
    about = f"heavy modules that {name} loads ({', '.join(heavy) or 'none'})"
    return Measure(about, len(heavy), "modules", target="value <= 0")


def started(command: Sequence[str]) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def loaded(words: Sequence[str]) -> list[str]:
    """The top-level modules that the command loads."""
    done = subprocess.run([sys.executable, "-c", LOADED, *words], check=True, capture_output=True, text=True)
    return done.stderr.splitlines()[-1].split()


if __name__ == "__main__":
    sys.exit(main())
