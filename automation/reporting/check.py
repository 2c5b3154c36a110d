"""One check of `doctor` and `status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CheckState = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Check:
    """One thing that was checked, and what was found."""

    name: str
    state: CheckState
    detail: str
