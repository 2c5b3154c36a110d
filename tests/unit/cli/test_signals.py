"""What runs until it is stopped ends at SIGTERM, Ctrl-C and SIGHUP, but not at a SIGHUP under `nohup`."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WAITING = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[1] == "nohup" else signal.SIG_DFL)
from automation.cli.signals import stop_on_signals
stopping = stop_on_signals()
print("waiting", flush=True)
while not stopping.wait(0.01):
    pass
print("ended in order", flush=True)
"""


def started(how: str) -> subprocess.Popen[str]:
    made = subprocess.Popen([sys.executable, "-c", WAITING, how], stdout=subprocess.PIPE, text=True)
    assert made.stdout is not None
    assert made.stdout.readline() == "waiting\n"
    return made


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_each_signal_ends_it_in_order(number: signal.Signals) -> None:
    with started("plainly") as process:
        process.send_signal(number)
        assert process.communicate(timeout=30)[0] == "ended in order\n"
        assert process.returncode == 0


def test_under_nohup_a_closed_terminal_ends_nothing() -> None:
    with started("nohup") as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)  # it would not come to this if the first had ended the process
        assert process.communicate(timeout=30)[0] == "ended in order\n"
        assert process.returncode == 0
