"""Coupon codes: reserved with the message, confirmed when it is sent, released when it never will be."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

import polars as pl
from sqlalchemy.engine import Connection

from automation.store.engine import execute_rows, insert_rows
from automation.store.tables import Coupon


def reserve(connection: Connection, rows: pl.DataFrame, *, campaign: str, secret: bytes) -> None:
    """Promise a code to every message of the batch whose offer carries one."""
    wanted = rows.filter(pl.col("coupon").is_not_null()).select("coupon", "message_id", "offer")
    values = [
        (coupon_code(secret, prefix, message), message, offer, campaign, "reserved")
        for prefix, message, offer in wanted.iter_rows()
    ]
    insert_rows(connection, Coupon, ("code", "message_id", "offer", "campaign", "state"), values)


def coupon_code(secret: bytes, prefix: str, message: str) -> str:
    """A code nobody can guess and that the message always gets again: the prefix and eight letters and digits."""
    digest = hmac.new(secret, f"coupon|{prefix}|{message}".encode(), hashlib.sha256).digest()
    return f"{prefix}-{base64.b32encode(digest[:5]).decode()}" if prefix else base64.b32encode(digest[:10]).decode()


def settle(connection: Connection, messages: Sequence[str], state: str) -> None:
    """Confirm or release what these messages were promised."""
    promised = [(state, message) for message in messages]
    execute_rows(connection, "UPDATE coupon SET state = ? WHERE message_id = ?", promised)
