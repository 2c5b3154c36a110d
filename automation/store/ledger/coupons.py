"""Coupon codes: reserved with the message, confirmed when it is sent, released when it never will be."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection

from automation.store.engine import execute_rows, insert_rows
from automation.store.tables import Coupon

if TYPE_CHECKING:
    import polars as pl


def reserve(connection: Connection, rows: pl.DataFrame, *, campaign: str, secret: bytes) -> None:
    """Reserve a code for every message of the batch whose offer has one."""
    wanted = rows.filter(rows["coupon"].is_not_null()).select("coupon", "message_id", "offer")
    values = [
        (coupon_code(secret, prefix, message), message, offer, campaign, "reserved")
        for prefix, message, offer in wanted.iter_rows()
    ]
    insert_rows(connection, Coupon, ("code", "message_id", "offer", "campaign", "state"), values)


def coupon_code(secret: bytes, prefix: str, message: str) -> str:
    """A code that can't be guessed and is always the same for the message: the prefix and eight characters."""
    digest = hmac.new(secret, f"coupon|{prefix}|{message}".encode(), hashlib.sha256).digest()
    return f"{prefix}-{base64.b32encode(digest[:5]).decode()}" if prefix else base64.b32encode(digest[:10]).decode()


def settle(connection: Connection, messages: Sequence[str], state: str) -> None:
    """Set the state of these messages' coupons: confirmed or released."""
    promised = [(state, message) for message in messages]
    execute_rows(connection, "UPDATE coupon SET state = ? WHERE message_id = ?", promised)
