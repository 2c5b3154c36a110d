"""`churn`: a segmenter that predicts from purchase behaviour who is likely to stop buying, with reasons."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from automation.hookspecs import hookimpl
from automation_churn.segmenter import Churn

if TYPE_CHECKING:
    from automation.contracts import Segmenter


@hookimpl
def register_segmenters(register: Callable[[str, type[Segmenter]], None]) -> None:
    register("churn", Churn)
