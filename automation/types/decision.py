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
    "holdout": "in the campaign's holdout: not contacted, to measure the effect",
    "global_holdout": "in the global holdout: no marketing at all, to measure its total effect",
    "no_consent": "no consent for this channel and topic",
    "consent_refused": "consent for this channel and topic was refused, and never given",
    "consent_withdrawn": "consent for this channel and topic was withdrawn",
    "profiling_objection": "the person objected to being chosen by what they did (GDPR Art. 21)",
    "suppressed_address": "the address is on the suppression list",
    "suppressed_domain": "the domain of the address is on the suppression list",
    "unsubscribed": "the owner of the address unsubscribed, perhaps under another customer id",
    "no_address": "no address for any of the campaign's channels",
    "bad_address": "the address is invalid",
    "duplicate_address": "another customer of this run has the same address",
    "frequency_cap": "a frequency cap was reached",
    "min_gap": "too soon after, or before, another marketing message",
    "arbitration_lost": "a higher-priority campaign used this customer's send allowance",
    "deferred_for": "chosen by the campaign; waits for a higher-priority campaign",
    "deferred_by_cap": "chosen by the campaign; waits until the frequency cap allows a message",
    "quiet_hours": "due in quiet hours, and the campaign does not wait",
    "reentry": "was in this campaign too recently",
    "too_few_recommendations": "fewer recommended products than the campaign requires",
    "no_message_chosen": "the offer policy chose to send nothing",
    "before_launch": "the due time had passed on the customer's clock when the campaign was launched",
    "late": "the message could not leave before it expired",
    "stopped": "sending was stopped by an admin",
    "stop_when": "the person did what ends the journey before the message left",
}
"""Every core reason code and its text. A suppression plugin adds its own `codes`."""

CANNOT_REACH: dict[str, str] = {
    "no_address": "no address",
    "bad_address": "an invalid address",
    "no_consent": "no consent on record",
    "consent_refused": "refused consent",
    "consent_withdrawn": "withdrew consent",
    "unsubscribed": "unsubscribed",
    "suppressed_address": "address suppressed",
    "suppressed_domain": "domain suppressed",
}
"""Why a channel can't reach a customer, so that the campaign's next channel takes the message: code → text."""
