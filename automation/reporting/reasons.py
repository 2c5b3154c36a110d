"""What a decision's reason code means, in words."""

from __future__ import annotations

from automation.types.decision import REASONS
from automation.workspace.opened import Opened


def reason_text(opened: Opened, code: str) -> str:
    """The core's text, or that of the suppression plugin that the code belongs to; else the code itself."""
    return plugin_reasons(opened).get(code, REASONS.get(code, code))


def plugin_reasons(opened: Opened) -> dict[str, str]:
    """The reason codes of the suppression plugins, in words; none where the plugins were not loaded."""
    if opened.project is None:
        return {}
    from automation.workspace.suppressions import suppression_reasons

    return suppression_reasons(opened.project.registry)
