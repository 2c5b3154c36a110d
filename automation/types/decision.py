"""What was settled for one customer in one run."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The decision's outcome; every member of an audience ends with exactly one."""

    MESSAGE = "message"
    HOLDOUT = "holdout"
    NO_OFFER = "no_offer"
    UNREACHABLE = "unreachable"
    SUPPRESSED = "suppressed"
    ERASED = "erased"


REASONS: dict[str, str] = {
    "selected": "chosen by the campaign",
    "holdout": "in the campaign's holdout: deliberately not contacted, to measure the effect",
    "global_holdout": "in the global holdout: never contacted by marketing, to measure the effect of all of it",
    "no_consent": "no consent for this channel and topic",
    "consent_withdrawn": "consent for this channel and topic was withdrawn",
    "suppressed_address": "the address is on the suppression list",
    "suppressed_domain": "the address's whole domain is on the suppression list",
    "unsubscribed": "the owner of the address unsubscribed, perhaps under another customer id",
    "no_address": "no address for any of the campaign's channels",
    "bad_address": "the address can't be delivered to",
    "duplicate_address": "another customer of this run has the same address",
    "frequency_cap": "a cap on messages was reached",
    "min_gap": "too soon after, or before, another marketing message",
    "arbitration_lost": "a campaign of more weight takes the customer's place under a cap",
    "deferred_for": "chosen by the campaign; waits behind a campaign of more weight",
    "deferred_by_cap": "chosen by the campaign; waits until a cap has room",
    "quiet_hours": "due in the campaign's quiet hours, and the campaign does not wait",
    "reentry": "was in this campaign too recently",
    "too_few_recommendations": "fewer recommended products than the campaign demands",
    "no_message_chosen": "the offer policy chose to send nothing",
    "late": "the message could not leave before it expired",
    "stopped": "sending was stopped by an admin",
}
"""Every core reason code, and what it says to a reader. A suppression plugin adds its own `codes`."""
