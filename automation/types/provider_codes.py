"""What the codes of e-mail servers and of Twilio mean for an address, whichever way they reach us."""

from __future__ import annotations

from typing import Literal

DEAD_ADDRESS_STATUSES = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
"""Enhanced status codes (RFC 3463, 7505) of an address that will never take mail: no such mailbox, no such system, no
valid address, moved without a new one, a domain that takes no mail, a mailbox that was closed. A full mailbox (5.2.2),
an unknown route (5.4.x), a policy (5.7.x) and a failure without a reason (5.0.0) do not say so."""
DEAD_NUMBER_ERRORS = frozenset({"21211", "21214", "21217", "21614", "30005", "30006"})
"""Twilio's errors for a number that will never take an SMS: not valid, not reachable, not a mobile number, unknown."""
OPTED_OUT_ERRORS = frozenset({"21610"})
"""Twilio's error for a number that replied STOP."""


def classify_status(status: str) -> Literal["dead_address", "refused"]:
    """What a final refusal with this enhanced status code (RFC 3463; "" if there was none) says about the address."""
    return "dead_address" if status in DEAD_ADDRESS_STATUSES else "refused"


def classify_twilio_error(code: str) -> Literal["dead_address", "opted_out", "refused"]:
    """What a final failure with this error code of Twilio ("" if there was none) says about the number."""
    if code in DEAD_NUMBER_ERRORS:
        return "dead_address"
    return "opted_out" if code in OPTED_OUT_ERRORS else "refused"
