"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

ROOT = Path(__file__).resolve().parents[1]

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup` leaves it ignored, for every process that a test starts


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets, kept beside the checkout and never inside it."""
    folder = Path(os.environ.get("AUTOMATION_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not here: {folder.name} is not beside the checkout")
    return folder


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A command that a test calls sets up logging and the environment of its process, which goes on here."""
    yield
    structlog.reset_defaults()
    os.environ.pop("PYTHONSAFEPATH", None)
