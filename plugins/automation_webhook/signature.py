"""Signatures by which a receiver knows us (Standard Webhooks, https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import datetime

_PREFIX = "whsec_"


def read_secret(text: str) -> bytes:
    """The key in `whsec_…`: base64 of 24 to 64 bytes. Raises ValueError, whose text doesn't repeat it."""
    bare = text.strip().removeprefix(_PREFIX)
    try:
        key = base64.b64decode(bare, validate=True)
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError(f"not a webhook secret: {_PREFIX} and 24 to 64 bytes in base64")
    return key


def signed_headers(identity: str, at: datetime, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The three headers; one signature for each key, so that a receiver can change to a new one in its own time."""
    seconds = str(int(at.timestamp()))
    signed = f"{identity}.{seconds}.".encode() + body
    signatures = [f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys]
    return {"webhook-id": identity, "webhook-timestamp": seconds, "webhook-signature": " ".join(signatures)}
