"""Failures that a user can cause, each with a text that says what to do."""

from __future__ import annotations

from pathlib import Path


class AutomationError(Exception):
    """The work could not be done. `exit_code` is what the command line ends with."""

    exit_code = 1


class ConfigurationError(AutomationError):
    """The project folder is wrong; nothing was started."""

    exit_code = 2


class PluginError(ConfigurationError):
    """A plugin can't be used. The text names it, its origin and how to disable it."""


class ContractError(AutomationError):
    """A component broke its contract; the batch fails whole and is never patched."""


class NotEnoughData(AutomationError):
    """A model can't be fitted yet."""

    def __init__(self, needs: str, has: str) -> None:
        super().__init__(f"not enough data: needs {needs}, has {has}")
        self.needs = needs
        self.has = has


class BadArtifact(AutomationError):
    """A stored model can't be used: missing, changed on disk, or written by other code."""


class SourceError(AutomationError):
    """An import file can't be read."""

    def __init__(self, path: Path, row: int | None, what: str) -> None:
        super().__init__(f"{path}: {what}" if row is None else f"{path}: row {row}: {what}")
        self.path = path
        self.row = row
        self.what = what


class StoreError(AutomationError):
    """The store refuses: locked by another process, too old, too new, or damaged."""


class Stopped(AutomationError):
    """Sending was stopped by an admin; nothing leaves until it is resumed."""
