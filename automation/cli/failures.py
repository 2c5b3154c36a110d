"""What a user sees when a command fails: what, why, and the command that fixes it; never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from automation.errors import AutomationError, ConfigurationError, StoreError

if TYPE_CHECKING:
    from automation.cli.invocation import Invocation

_FIXES: tuple[tuple[type[AutomationError], str], ...] = (
    (ConfigurationError, "automation validate"),
    (StoreError, "automation status"),
)


def report_failure(error: Exception, invocation: Invocation) -> int:
    """Print the failure; returns the exit code."""
    if isinstance(error, AutomationError):
        invocation.output.failure(str(error), causes(error), _fix(error, invocation), error.exit_code)
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        return 1
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    file = keep_traceback(error, invocation)
    invocation.output.failure(what, (), f"details: {file}", 1)
    return 1


def causes(error: BaseException) -> tuple[str, ...]:
    """The chain of causes, each in one line, without repeating what is above it."""
    lines: list[str] = []
    shown, cause = str(error), error.__cause__
    while cause is not None:
        text = str(cause).strip().splitlines()
        line = text[0] if text else type(cause).__name__
        if line not in shown:
            lines.append(f"{type(cause).__name__}: {line}")
        shown, cause = f"{shown}\n{line}", cause.__cause__
    return tuple(lines)


def _fix(error: AutomationError, invocation: Invocation) -> str:
    """The command to run next, unless the error names one itself."""
    if "automation " in str(error):
        return ""
    command = next((command for kind, command in _FIXES if isinstance(error, kind)), "")
    return "" if command == f"automation {invocation.command}" else command


def keep_traceback(error: Exception, invocation: Invocation) -> Path:
    """Write the traceback to the project's logs, or to the temporary folder where there is no project."""
    import traceback

    from automation.clock import SystemClock

    now = SystemClock().now()
    name = f"failure-{now:%Y%m%dT%H%M%S}-{invocation.command}.log"
    text = f"automation {invocation.command} at {now.isoformat()}\n\n{''.join(traceback.format_exception(error))}"
    try:
        return _write(_logs(invocation), name, text)
    except OSError:  # a full or read-only disk may be the very failure
        return _write(_temporary_folder(), name, text)


def _write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text)
    return file


def _logs(invocation: Invocation) -> Path:
    from automation.config.settings_file import FILE
    from automation.config.source_map import read_file

    try:
        root = invocation.root()
        _, source = read_file(root / FILE, FILE)
        folder = source.get(("data_dir",))
        return root / (folder if isinstance(folder, str) else "var") / "logs"
    except (AutomationError, OSError):
        return _temporary_folder()


def _temporary_folder() -> Path:
    import tempfile

    return Path(tempfile.gettempdir())


def log_warnings_to_stderr() -> None:
    """Print warnings of the lower layers to stderr, one line each; commands print their results themselves."""
    import logging
    import sys

    import structlog

    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
