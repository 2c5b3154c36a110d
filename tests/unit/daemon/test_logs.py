"""One JSON object a line, readable by programs, with no secret in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from automation.daemon.logs import log_to
from automation.types.secret import Secret


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """Puts back what the log was sent to."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("root_logger")
def test_a_line_holds_what_happened_and_stars_for_secrets(tmp_path: Path) -> None:
    log_to(tmp_path)
    structlog.get_logger("automation.daemon.sender").info("messages settled", settled=3, password=Secret("hunter2"))
    logging.getLogger("automation.other").warning("from %s", "elsewhere")
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger("x").exception("failed", run=4)
    logging.getLogger("apscheduler.scheduler").info("chatter")
    first, second, third = (json.loads(line) for line in (tmp_path / "daemon.jsonl").read_text().splitlines())
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "messages settled",
        "settled": 3,
        "password": "Secret('**********')",
        "level": "info",
        "logger": "automation.daemon.sender",
    }
    assert (second["event"], second["level"]) == ("from elsewhere", "warning")
    assert (third["run"], third["level"]) == (4, "error")
    assert "ValueError: broken" in third["exception"]
