"""The JSON form of a message that was rendered for one customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from automation.runner.samples import Sample
    from automation.runner.test_send import SentTest
    from automation.types.message import Rendered


def preview_json(sample: Sample, message: Rendered, page: Path | None) -> dict[str, object]:
    """page: the file that shows the message, None where none was written."""
    return {
        "customer": sample.customer_id,
        "variant": sample.variant,
        "offer": sample.offer,
        "message": message_json(message),
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
