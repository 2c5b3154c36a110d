"""A message to an address of the marketer's own, outside the ledger."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from automation.ids import new_request_id
from automation.types.message import Receipt, Rendered, Verdict
from automation.workspace.channels import make_channel
from automation.workspace.workspace import Workspace

MARK = "[Test] "


def send_trial(workspace: Workspace, rendered: Rendered, to: str, *, mark: str = MARK) -> Receipt:
    """Deliver it once through the real channel, under an id that no message has."""
    trial = replace(rendered, id=new_request_id() + new_request_id(), to=to, subject=mark + rendered.subject)
    return asyncio.run(_deliver(workspace, trial))


async def _deliver(workspace: Workspace, message: Rendered) -> Receipt:
    channel = make_channel(workspace, message.channel)
    try:
        receipts = [receipt async for receipt in channel.deliver([message], lambda _: None)]
    finally:
        await channel.close()
    return receipts[0] if receipts else Receipt(message.id, message.attempt, Verdict.AMBIGUOUS, "no receipt was given")
