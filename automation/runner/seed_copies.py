"""Sends copies of a run's messages to seed addresses: one for each variant and language, outside the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from automation.contracts import Channel
from automation.errors import AutomationError
from automation.messages.batch_content import read_content
from automation.messages.compose import compose
from automation.messages.redirect import COPY, make_unknown_id
from automation.runner.sample_message import sample_message, untracked_defaults
from automation.store import runs
from automation.store.ledger import seed_copies
from automation.store.ledger.seed_copies import OriginalMessage
from automation.types.message import Receipt, Rendered
from automation.workspace.channels import channel_kinds, make_channel
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)


def send_seeds(workspace: Workspace, pinned: LaunchedCampaigns, run_id: int) -> int:
    """Send each seed address its copies, once; returns how many were sent now.

    A copy is recorded before it is sent: one that may have left when the process died is not sent again.
    """
    seeds = workspace.project.settings.testing.seeds
    if not seeds:
        return 0
    kinds = channel_kinds(workspace)
    with workspace.store.reading() as connection:
        run = runs.get(connection, run_id)
        originals = [
            original
            for original in seed_copies.find_originals(connection, run_id)
            if kinds[original.channel] == "email"
        ]
    if run.test:
        return 0
    sent = 0
    for original in originals:
        try:
            sent += asyncio.run(_send(workspace, _copies(workspace, pinned, run_id, original, seeds), run_id, original))
        except AutomationError as error:
            log.warning("no copy for the seeds", run=run_id, variant=original.variant, because=str(error))
    return sent


def _copies(
    workspace: Workspace, pinned: LaunchedCampaigns, run_id: int, original: OriginalMessage, seeds: Sequence[str]
) -> list[Rendered]:
    """The same message for each seed, with an invalid coupon code and links that change no customer's preferences."""
    with workspace.store.reading() as connection:
        launch = pinned.get(connection, runs.get(connection, run_id).launch_id)
        stored = runs.content(connection, run_id, original.batch_no)
        content = read_content(stored, launch.campaign, launch.renderer.reasons)
    grant = sample_message(launch.campaign, {**vars(original), "expires_at": None}, workspace.clock.now())
    made = compose(grant, launch.campaign, launch.renderer, untracked_defaults(workspace), content)
    label = "/".join(part for part in (launch.campaign.name, str(run_id), original.variant, original.language) if part)
    return [
        replace(made, id=make_unknown_id(f"{run_id}{seed}{label}"), to=seed, headers={**made.headers, COPY: label})
        for seed in seeds
    ]


async def _send(workspace: Workspace, copies: Sequence[Rendered], run_id: int, original: OriginalMessage) -> int:
    channel = make_channel(workspace, original.channel)
    try:
        return sum([await _send_one(workspace, channel, copy, run_id, original) for copy in copies])
    finally:
        await channel.close()


async def _send_one(
    workspace: Workspace, channel: Channel, copy: Rendered, run_id: int, original: OriginalMessage
) -> int:
    key = (run_id, copy.to, original.variant or "", original.language)
    with workspace.store.transaction() as connection:
        if not seed_copies.record_intent(connection, key, now=workspace.clock.now()):
            return 0
    receipts: list[Receipt] = [receipt async for receipt in channel.deliver([copy], lambda _: None)]
    with workspace.store.transaction() as connection:
        seed_copies.record_verdict(connection, key, verdict=receipts[0].verdict.value if receipts else "ambiguous")
    return 1
