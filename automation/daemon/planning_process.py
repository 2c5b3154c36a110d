"""The process that plans for the daemon: it alone loads what reads the warehouse, and ends when there is nothing to do.

`python -m automation.daemon.planning_process SOCKET`: it takes orders from the daemon over a socket, and says what it
does. When the socket closes, the daemon is gone, and it ends at once: whatever is half done is made again, as after any
crash.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from automation.clock import SystemClock
from automation.config.project import Project, project_of_text
from automation.daemon.planner import Planner
from automation.daemon.planning_socket import PlanningSocket
from automation.errors import AutomationError
from automation.runner import backup
from automation.schedule.calendar import customer_zones
from automation.store.engine import open_store
from automation.workspace.plugins import registry_of
from automation.workspace.workspace import Workspace, open_project

log = structlog.get_logger(__name__)

ANSWERS: Mapping[str, Callable[[Workspace], object]] = {
    "restored": backup.check_restored_copy,
    "zones": lambda workspace: [zone.key for zone in customer_zones(workspace)],
}
"""What the daemon asks for, beside the planning."""


class PlanningProcess:
    """One life of the process."""

    def __init__(self, daemon: PlanningSocket) -> None:
        self._daemon = daemon
        _, root, config = next(daemon)
        project = _open(Path(root), config)
        self._workspace = Workspace(project, open_store(project.data_dir / "store.db"), SystemClock())
        self._planner = Planner(lambda: self._workspace, lambda: daemon.send("planned"), self._say)

    def work(self) -> None:
        """Until the daemon says stop, or is gone."""
        self._daemon.send("ready")
        for kind, *content in self._daemon:
            match kind:
                case "plan":
                    self._plan()
                case "flush":
                    self._planner.flush_soon()
                case "files":
                    self._read_files()
                case "ask":
                    threading.Thread(target=self._answer, args=content, daemon=True).start()
                case "end" if not self._is_idle():
                    self._daemon.send("stays")
                case "end" | "stop":
                    self._stop()
                    return

    def _plan(self) -> None:
        """It also looks for work by itself, once a second."""
        if self._planner.ident is None:
            self._planner.start()
        self._planner.wake()

    def _is_idle(self) -> bool:
        return self._planner.ident is None or self._planner.stop_if_idle()

    def _stop(self) -> None:
        self._planner.stop()
        if self._planner.ident is not None:
            self._planner.join()
        self._workspace.store.close()

    def _read_files(self) -> None:
        """A file that is invalid now changes nothing, as in the daemon."""
        try:
            project = open_project(self._workspace.project.root)
        except AutomationError:
            return
        if project.data_dir == self._workspace.project.data_dir:
            self._workspace = replace(self._workspace, project=project)
        self._planner.check_launches()

    def _answer(self, number: int, what: str) -> None:
        try:
            answer: tuple[object, str | None] = (ANSWERS[what](self._workspace), None)
        except Exception as error:
            answer = (None, str(error) or type(error).__name__)
        self._daemon.send("answer", number, *answer)

    def _say(self, planner: Planner) -> None:
        self._daemon.send("state", planner.planning, list(planner.not_launched))


def _open(root: Path, config: str) -> Project:
    """The project as its files are; where they are invalid by now, with the settings that the daemon uses."""
    try:
        return open_project(root)
    except AutomationError:
        return project_of_text(root, config, registry_of(root))


def log_to(daemon: PlanningSocket) -> None:
    """Send log lines to the daemon, which writes the log."""

    def send(_logger: object, level: str, event: Any) -> Any:
        fields = {str(key): value if isinstance(value, int | float) else str(value) for key, value in event.items()}
        daemon.send("log", level, fields)
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.processors.format_exc_info, send])


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the daemon says when to stop
    os.umask(0o077)
    daemon = PlanningSocket(socket.socket(fileno=int(sys.argv[1])))
    log_to(daemon)
    PlanningProcess(daemon).work()
    sys.stderr.flush()
    os._exit(0)  # also in the middle of a query


if __name__ == "__main__":
    main()
