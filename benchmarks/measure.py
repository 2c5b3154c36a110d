"""What every benchmark shares: its options, rounds side by side, and one line a measure."""

from __future__ import annotations

import argparse
import json
import operator
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_COMPARE = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Measure:
    """One line. `target` reads `ratio >= 20` or `value <= 600`, and is empty where nothing is demanded.

    `ratio` is what the target means by it: usually baseline / value for times and value / baseline for rates.
    """

    measure: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    target: str = ""

    @property
    def holds(self) -> bool | None:
        """None where there is no target."""
        if not self.target:
            return None
        field, sign, number = self.target.split()
        compared = {"value": self.value, "ratio": self.ratio}[field]
        return compared is not None and bool(_COMPARE[sign](compared, float(number)))


def arguments(description: str) -> argparse.Namespace:
    """`--quick` and `--format text|json`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a smaller size, within 60 seconds")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    return parser.parse_args()


def report(rows: Iterable[Measure], form: str) -> int:
    """Print the lines; 1 when a target does not hold, otherwise 0: what the benchmark exits with."""
    rows = list(rows)
    if form == "json":
        print(json.dumps([{**vars(row), "holds": row.holds} for row in rows], indent=2))
    else:
        print("measure, value, unit, baseline, ratio, target, holds")
        for row in rows:
            cells = (row.measure, row.value, row.unit, row.baseline, row.ratio, row.target, row.holds)
            print(", ".join(_cell(value) for value in cells))
    return int(any(row.holds is False for row in rows))


def say(text: str) -> None:
    """A remark for the reader, beside the measures."""
    print(text, file=sys.stderr)


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def peak_mb() -> float:
    """The most memory that this process has held; `getrusage` also knows what held it before it became itself."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text("ascii").splitlines())
    return int(status["VmHWM"].split()[0]) / 1_000


def median_seconds(rivals: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Each rival in turn, `rounds` times, so that a busy machine slows all of them; the median of each."""
    taken: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, work in rivals.items():
            taken[name].append(seconds(work))
    return {name: statistics.median(times) for name, times in taken.items()}


def shared_data(*parts: str) -> Path | None:
    """A real data set beside the checkout (or under AUTOMATION_SHARED_DATA); None where it is not here."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    found = Path(os.environ.get("AUTOMATION_SHARED_DATA", beside)).joinpath(*parts)
    return found if found.exists() else None


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}".replace(",", "_")
    return "" if value is None else str(value)
