"""The JSON form of a message that was rendered for one customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from automation.reporting.previews import CustomerPreview, SentMessage
    from automation.runner.test_send import SentTest
    from automation.types.message import Rendered


def preview_json(found: CustomerPreview, page: Path | None) -> dict[str, object]:
    """page: the file that shows the message, None where none was written."""
    return {
        "customer": found.sample.customer_id,
        "variant": found.sample.variant,
        "offer": found.sample.offer,
        "message": message_json(found.message),
        "why_not": list(found.why_not),
        "sent": None,
        "page": page,
    }


def sent_json(found: SentMessage, page: Path | None) -> dict[str, object]:
    """A message that was sent, in the form of a preview."""
    decision = found.decision
    names = ("message_id", "campaign", "run_id", "state", "settled_at", "provider_id")
    return {
        "customer": decision.customer_id,
        "variant": decision.variant,
        "offer": decision.offer,
        "message": message_json(found.message),
        "why_not": [],
        "sent": {name: getattr(decision, name) for name in names},
        "page": page,
    }


def message_json(message: Rendered) -> dict[str, object]:
    names = ("channel", "to", "sender", "reply_to", "subject", "preheader", "language", "text", "html")
    return {**{name: getattr(message, name) for name in names}, "headers": dict(message.headers)}


def sent_tests_json(campaign: str, to: str, sent: Sequence[SentTest]) -> dict[str, object]:
    """sent: one message, or one for every variant and language of the same customer."""
    names = ("variant", "language", "channel", "verdict")
    return {
        "campaign": campaign,
        "customer": sent[0].customer,
        "to": to,
        "channel": sent[0].channel,
        "verdict": sent[0].verdict,
        "sent": [{name: getattr(one, name) for name in names} for one in sent],
    }
