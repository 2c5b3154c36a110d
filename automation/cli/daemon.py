"""`automation daemon`."""

from __future__ import annotations

import os
import sys

import typer

from automation.cli.invocation import Invocation
from automation.cli.signals import stop_on_signals


def daemon(context: typer.Context) -> None:
    """Run launched campaigns when they are due, until stopped.

    Stays in the foreground. On SIGTERM, SIGHUP or Ctrl-C it finishes the messages it is sending and ends within 10
    seconds.
    If config.yaml has `web:`, it also serves the web app.
    It logs to data_dir/logs/daemon.jsonl; `automation status` shows what it is doing.

    Example: automation daemon --project my-shop
    """
    stopping = stop_on_signals()
    from automation.cli.test_mode import warn_of_test_mode
    from automation.cli.web import companion
    from automation.daemon.service import serve

    invocation: Invocation = context.obj
    root = invocation.root().resolve()
    os.chdir(root)
    warn_of_test_mode(invocation, root)
    if not serve(root, stopping, companion):
        sys.stderr.flush()
        os._exit(0)  # a thread that hangs in a library must not keep the process alive; the ledger is committed
