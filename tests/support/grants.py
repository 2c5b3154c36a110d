"""Grants made by hand."""

from __future__ import annotations

from automation.types.grant import Grant
from support.ledger import NOW


def grant(number: int, address: str | None = None, provider: int = 0) -> Grant:
    """The message `m{number}` of run 1 to customer `c{number}`."""
    return Grant(
        id=f"m{number}", attempt=1, run_id=1, batch_no=0, campaign="winback", launch_id=1, customer_id=f"c{number}",
        step="send", visit=0, channel="email", topic="promotions", address=address or f"a{number}@shop.example",
        template="t", context="{}", variant=None, offer=None, items="[]", coupon=None, due_at=NOW, granted_at=NOW,
        provider=provider,
    )  # fmt: skip
