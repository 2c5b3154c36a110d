"""What a day of events costs the profile table, beside rebuilding it; 1,000,000 customers and 20,000,000 events.

The baseline is a refresh of everybody. Both read the same files and leave the same table; every
round brings a new day. Also: reading all profiles from the kept table, beside computing them from the events.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from large_shop import DAYS, END, make, one_day
from measure import Measure, arguments, peak_mb, report, say, seconds

from automation.warehouse.embedded import open_warehouse
from automation.warehouse.profiles import compute_profiles


def refresh(folder: Path, *, anew: bool) -> None:
    warehouse = open_warehouse(folder)
    done = warehouse.refresh_profiles(everybody=anew)
    warehouse.close()
    assert done.how == ("everybody" if anew else "touched")


def rfm(folder: Path, *, kept: bool) -> None:
    """The sum over everybody's quintiles, from the table or from the events."""
    warehouse = open_warehouse(folder)
    data = warehouse.snapshot(END + timedelta(days=60))
    found = data.profiles if kept else compute_profiles(data.customers, data.products, data.events, data.as_of)
    found.aggregate(sum=(found.r_quintile + found.f_quintile + found.m_quintile).sum()).to_polars()
    warehouse.close()


def peak(folder: Path) -> float:
    """The memory of a process that does nothing but measure everybody, in MB."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return float(pool.apply(_peak, (folder,)))


def _peak(folder: Path) -> float:
    refresh(folder, anew=True)
    return peak_mb()


def main() -> int:
    chosen = arguments(__doc__ or "")
    customers, events, rounds = (50_000, 1_000_000, 2) if chosen.quick else (1_000_000, 20_000_000, 3)
    anew, day, table, computed = [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        made = seconds(lambda: make(Path(name), customers, events, seed=1))
        folder = Path(name)
        say(f"{events:,} events of {customers:,} customers made in {made:.0f} s")
        for round_ in range(rounds):
            anew.append(seconds(lambda: refresh(folder, anew=True)))
            one_day(folder, events // DAYS, seed=1, day=round_)
            day.append(seconds(lambda: refresh(folder, anew=False)))
            table.append(seconds(lambda: rfm(folder, kept=True)))
            computed.append(seconds(lambda: rfm(folder, kept=False)))
        most = peak(folder)
    full, part, read, live = map(statistics.median, (anew, day, table, computed))
    target = "" if chosen.quick else "ratio <= 0.15"  # what a refresh costs at least shows in a small shop
    return report(
        [
            Measure("profiles, one day's events, beside everybody", part, "s", full, part / full, target),
            Measure("profiles, RFM of everybody read, beside computed", read, "s", live, read / live),
            Measure("profiles, everybody measured, peak memory", most, "MB", None, None, "value <= 1500"),
        ],
        chosen.format,
    )


if __name__ == "__main__":
    sys.exit(main())
