"""The daemon's log: one JSON object a line in a file, and readable lines on a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

FILE = "daemon.jsonl"
_LARGEST = 10_000_000
_KEPT = 5
_CHATTY = ("alembic", "apscheduler", "watchfiles", "asyncio")


def log_to(folder: Path, file_name: str = FILE) -> None:
    """Send every log line of this process to a file in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    file = RotatingFileHandler(folder / file_name, maxBytes=_LARGEST, backupCount=_KEPT, encoding="utf-8")
    file.setFormatter(_formatter(shared, [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]))
    handlers: list[logging.Handler] = [file]
    if sys.stderr.isatty():
        terminal = logging.StreamHandler(sys.stderr)
        terminal.setFormatter(
            _formatter(shared, [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])
        )
        handlers.append(terminal)
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _formatter(shared: Sequence[Any], last: Sequence[Any]) -> structlog.stdlib.ProcessorFormatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )
