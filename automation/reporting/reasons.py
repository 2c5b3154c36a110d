"""What a decision's reason code means, in words."""

from __future__ import annotations

from collections.abc import Mapping

from automation.types.decision import REASONS
from automation.workspace.opened import Opened


def reason_text(opened: Opened, code: str) -> str:
    """The core's text, or that of the suppression plugin that the code belongs to; else the code itself."""
    if opened.project is not None:
        registry = opened.project.registry
        for name in registry.names("suppressions"):
            codes: Mapping[str, str] = registry.find("suppressions", name).codes
            if code in codes:
                return codes[code]
    return REASONS.get(code, code)
