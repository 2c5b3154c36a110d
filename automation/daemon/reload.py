"""Watches the project's files: config.yaml, campaigns/, templates/ and plugins/, nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from automation.workspace.fingerprint import FOLDERS

log = structlog.get_logger(__name__)

_SETTLED_MS = 400  # editors write a file in several steps
_STEP_MS = 200  # between two looks at what the system says; 50 by default, which keeps an idle daemon awake


class Watcher(threading.Thread):
    """Calls `changed` with the names of changed files, relative to the project."""

    def __init__(self, root: Path, changed: Callable[[list[str]], None]) -> None:
        super().__init__(name="watcher", daemon=True)
        self._root = root
        self._changed = changed
        self._stopping = threading.Event()

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wait_for_a_change()
        except Exception:
            log.exception("files are no longer watched; restart the daemon to apply changes")

    def _wait_for_a_change(self) -> None:
        from watchfiles import watch

        # Not recursive from the root: the data folder below it changes all the time. New folders are found by
        # starting over after each change.
        for found in watch(
            *self._folders(),
            recursive=False,
            debounce=_SETTLED_MS,
            step=_STEP_MS,
            stop_event=self._stopping,
            watch_filter=None,
        ):
            names = sorted({name for _, path in found if (name := self._relative(Path(path))) is not None})
            if names:
                self._changed(names)
                return

    def stop(self) -> None:
        self._stopping.set()

    def _folders(self) -> list[Path]:
        below = [folder for name in FOLDERS for folder in (self._root / name, *(self._root / name).rglob("*/"))]
        return [self._root, *(folder for folder in below if folder.is_dir() and folder.name != "__pycache__")]

    def _relative(self, path: Path) -> str | None:
        try:
            relative = path.relative_to(self._root)
        except ValueError:
            return None
        mine = relative.parts[:1] == ("config.yaml",) or relative.parts[:1] in {(name,) for name in FOLDERS}
        hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
        return relative.as_posix() if mine and not hidden else None
