"""The limits of one rendering, and what it may still take of them."""

from __future__ import annotations

from decimal import Decimal

from jinja2.exceptions import SecurityError
from markupsafe import Markup

from automation.clock import monotonic

MAX_STEPS = 10_000
MAX_OUTPUT = 1_000_000
MAX_SECONDS = 5.0
MAX_TEXT = 64 * 1024
MAX_NUMBER = 10**18
STEP_OF_TEXT = 512
"""The characters of a text that a filter reads in one step."""
BUDGET = "_budget"
"""The key in a context for the rendering's `Budget`."""
NUMBERS = (int, float, Decimal)
PRINTABLE = frozenset({str, int, float, bool, Decimal, Markup})
PLAIN = PRINTABLE | {type(None)}


class LimitExceeded(SecurityError):
    """A rendering exceeded a limit."""


class Budget:
    """What remains of one rendering's limits."""

    def __init__(self) -> None:
        self.steps = MAX_STEPS
        self.deadline = monotonic() + MAX_SECONDS

    def spend(self, steps: int = 1) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise LimitExceeded(f"the loops and filters of this template take more than {MAX_STEPS:,} steps")
        if monotonic() > self.deadline:
            raise LimitExceeded(f"rendering takes longer than {MAX_SECONDS:g} seconds")


def name_value(value: object) -> str:
    """What a value is, in words; never its content, which may be endless."""
    return {"str": "a text", "NoneType": "nothing", "list": "a list", "dict": "a group of values"}.get(
        type(value).__name__, f"a {type(value).__name__}"
    )
