"""Signatures that prove to a receiver who sent a webhook (Standard Webhooks, https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import datetime

_PREFIX = "whsec_"


def decode_secret(text: str) -> bytes:
    """The key in `whsec_…`, which is base64 of 24 to 64 bytes. Raises ValueError; its text does not contain the key."""
    bare = text.strip().removeprefix(_PREFIX)
    try:
        key = base64.b64decode(bare, validate=True)
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError(f"not a webhook secret; expected {_PREFIX} and 24 to 64 bytes in base64")
    return key


def sign_headers(message_id: str, at: datetime, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The three signature headers. There is one signature for each key, so that a receiver can change keys later."""
    seconds = str(int(at.timestamp()))
    signed = f"{message_id}.{seconds}.".encode() + body
    signatures = [f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys]
    return {"webhook-id": message_id, "webhook-timestamp": seconds, "webhook-signature": " ".join(signatures)}
