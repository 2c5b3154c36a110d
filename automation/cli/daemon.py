"""`automation daemon`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

import typer

from automation.cli.invocation import Invocation


def daemon(context: typer.Context) -> None:
    """Run launched campaigns when they are due, until told to stop.

    Stays in the foreground. SIGTERM or Ctrl-C lets what is on its way arrive and ends within 10 seconds.
    Serves the web app too where config.yaml has `web:`.
    The log is data_dir/logs/daemon.jsonl; `automation status` shows from elsewhere what it does.

    Example: automation daemon --project my-shop
    """
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    from automation.cli.test_mode import announce
    from automation.cli.web import companion
    from automation.daemon.service import serve

    invocation: Invocation = context.obj
    root = invocation.root().resolve()
    os.chdir(root)
    announce(invocation, root)
    if not serve(root, stopping, companion):
        sys.stderr.flush()
        os._exit(0)  # a thread that hangs in a library must not keep the process; the ledger is committed
