"""A run and its account, for `run`, `release` and `status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automation.cli.output import Block, Table, Text
from automation.types.decision import REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from automation.reporting.run_status import RunStatus
    from automation.workspace.shop_format import ShopFormat

_NAMES = {"ambiguous": "ambiguous: may have arrived, not sent again", "no_offer": "no offer"}
_LIMIT = 20


def run_blocks(found: RunStatus, shop: ShopFormat, reasons: Mapping[str, str]) -> list[Block]:
    """reasons: the codes of the suppression plugins, in words."""
    run = found.run
    shown: list[Block] = [
        Text(f"run {run.id} of {run.campaign}, {shop.due(run)}: {run.state.value}", "strong"),
        account_table(found),
    ]
    if not found.account.adds_up:
        shown.append(Text("the account does not add up: please report this as a bug", "error"))
    if len({channel for channel, _ in found.channels}) > 1:
        shown.append(
            Table(("channel", "messages", "customers"), [(*key, n) for key, n in sorted(found.channels.items())])
        )
    shown.append(_reasons(found, {**REASONS, **reasons}))
    shown.append(Text(f"who they are: automation audience {run.id}", "muted"))
    shown += _ambiguous(found, shop)
    if run.hold:
        shown.append(Text(f"HELD: {run.hold['what']}; to send it anyway: automation release {run.id}", "error"))
    if run.error:
        shown.append(Text(f"failed: {run.error}", "error"))
    return shown


def account_table(found: RunStatus) -> Table:
    """How many of the audience are in each state; states with nobody in them are left out."""
    parts = vars(found.account).copy()
    audience = parts.pop("audience")
    rows = [(_NAMES.get(name, name), n) for name, n in parts.items() if n]
    return Table(("account", "customers"), [*rows, ("audience", audience)])


def _ambiguous(found: RunStatus, shop: ShopFormat) -> list[Block]:
    """The uncertain messages, so that somebody can ask the provider about them."""
    if not found.ambiguous:
        return []
    rows = [(m.id, m.customer_id, m.channel, shop.cell(m.granted_at), m.reason) for m in found.ambiguous[:_LIMIT]]
    left = len(found.ambiguous) - len(rows)
    more = f" ({left:,} more with --format json)" if left else ""
    advice = (
        f"these messages may have arrived{more}; ask the provider, then run: "
        "automation resolve MESSAGE --sent, or --not-sent"
    )
    return [Table(("message", "customer", "channel", f"granted ({shop.zone})", "why"), rows), Text(advice, "warning")]


def _reasons(found: RunStatus, texts: Mapping[str, str]) -> Table:
    ordered = sorted(found.reasons.items(), key=lambda item: (item[0][0] == "message", -item[1]))
    rows = [(outcome, n, texts.get(reason, reason)) for (outcome, reason), n in ordered]
    return Table(("outcome", "customers", "reason"), rows)
