"""What a delivering process is given: one message whose `sending` is committed."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Grant(NamedTuple):
    """One message that may leave now, of one step of its campaign.

    `step` is the name of the send, `visit` how often the customer came to it before. `provider` is which of the
    channel's providers it goes to (1 is the one to fail over to), `wait` how many seconds after the commit its time
    slot begins, `tracked` whether its opens and clicks may be counted, as far as that needs a consent.
    """

    id: str
    attempt: int
    run_id: int
    batch_no: int
    campaign: str
    launch_id: int
    customer_id: str
    step: str
    visit: int
    channel: str
    topic: str
    address: str
    template: str
    context: str
    variant: str | None
    offer: str | None
    items: str
    coupon: str | None
    due_at: datetime
    granted_at: datetime
    provider: int = 0
    wait: float = 0.0
    worker_id: int = 0
    tracked: bool = True
