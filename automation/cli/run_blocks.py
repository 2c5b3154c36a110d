"""A run and its account, for `run` and `status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automation.cli.output import Block, Table, Text

if TYPE_CHECKING:
    from automation.reporting.status import RunStatus
    from automation.workspace.workspace import Workspace


def run_payload(found: RunStatus) -> dict[str, object]:
    """A run as a program reads it; the parts of `account` add up to its `audience`."""
    run = found.run
    names = ("id", "campaign", "kind", "due_key", "due_at", "as_of", "state", "created_at", "finished_at", "error")
    return {
        **{name: getattr(run, name) for name in names},
        "hold": run.hold,
        "test": run.test,
        "account": vars(found.account).copy(),
        "adds_up": found.account.adds_up,
        "ambiguous": [vars(message) for message in found.ambiguous],
        "reasons": [{"outcome": o, "reason": r, "customers": n} for (o, r), n in sorted(found.reasons.items())],
        "variants": [{"variant": v, "outcome": o, "customers": n} for (v, o), n in sorted(found.variants.items())],
    }


def run_blocks(workspace: Workspace, found: RunStatus) -> list[Block]:
    """A run as a person reads it."""
    run = found.run
    shown: list[Block] = [
        Text(f"run {run.id} of {run.campaign}, {run.kind.value} {run.due_key}: {run.state.value}", "loud"),
        account_table(found),
    ]
    if not found.account.adds_up:
        shown.append(Text("the account does not add up: please report this", "bad"))
    shown.append(_reasons(workspace, found))
    shown += _ambiguous(found)
    if run.hold:
        shown.append(Text(f"HELD: {run.hold['what']}; to send it anyway: automation release {run.id}", "bad"))
    if run.error:
        shown.append(Text(f"failed: {run.error}", "bad"))
    return shown


def account_table(found: RunStatus) -> Table:
    """Where every member of the audience stands; states that nobody is in are left out."""
    parts = vars(found.account).copy()
    audience = parts.pop("audience")
    rows = [(_IN_WORDS.get(name, name), n) for name, n in parts.items() if n]
    return Table(("account", "customers"), [*rows, ("audience", audience)])


_IN_WORDS = {"ambiguous": "ambiguous: may have arrived, not resent"}
_SHOWN = 20


def _ambiguous(found: RunStatus) -> list[Block]:
    """Every doubt is listed, so that somebody can ask the provider."""
    if not found.ambiguous:
        return []
    rows = [
        (m.id, m.customer_id, m.channel, f"{m.granted_at:%Y-%m-%d %H:%M:%S}" if m.granted_at else "", m.reason)
        for m in found.ambiguous[:_SHOWN]
    ]
    left = len(found.ambiguous) - len(rows)
    more = f", {left:,} more with --format json" if left else ""
    told = f"may have arrived{more}; once you know: automation resolve MESSAGE --sent, or --not-sent"
    return [Table(("message", "customer", "channel", "granted (UTC)", "why"), rows), Text(told, "odd")]


def _reasons(workspace: Workspace, found: RunStatus) -> Table:
    from automation.reporting.explain import reason_text

    ordered = sorted(found.reasons.items(), key=lambda item: (item[0][0] == "message", -item[1]))
    rows = [(outcome, n, reason_text(workspace, reason)) for (outcome, reason), n in ordered]
    return Table(("decided", "customers", "why"), rows)
