"""Coupon codes: reserved with the message, confirmed when it is sent, released when it never will be."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are ours)

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.errors import AutomationError
from automation.store.statements import Connection, execute_rows, insert_statement, places, read_column

if TYPE_CHECKING:
    import polars as pl

_DRAWN, _ALONE = 5, 10
"""Random bytes of a code after its prefix, and of a code without one."""
MOST_DRAWS = 100


def count_codes(prefix: str) -> int:
    """How many codes there are with this prefix: 1.1 · 10¹²; without a prefix 1.2 · 10²⁴."""
    return int(256 ** (_DRAWN if prefix else _ALONE))


def reserve(connection: Connection, rows: pl.DataFrame, *, campaign: str, secret: bytes) -> None:
    """Reserve a code for every message of the batch whose offer has one.

    A code that was given before is drawn again, in the same transaction: among two million codes of one prefix two are
    equal. Raises `AutomationError` where hardly any is left.
    """
    wanted = rows.filter(rows["coupon"].is_not_null()).select("coupon", "message_id", "offer").rows()
    codes: dict[str, tuple[str, str, str]] = {}
    for draw in range(MOST_DRAWS):
        drawn = [
            (coupon_code(secret, prefix, message, draw), (prefix, message, offer)) for prefix, message, offer in wanted
        ]
        taken = _find_taken(connection, [code for code, _ in drawn])
        wanted = []
        for code, about in drawn:
            if code in taken or code in codes:
                wanted.append(about)
            else:
                codes[code] = about
        if not wanted:
            break
    else:
        prefix = wanted[0][0]
        raise AutomationError(
            f"there are {count_codes(prefix):,} codes that begin with {prefix!r}, and {MOST_DRAWS} draws found only "
            "codes that were given before; give the offer another code in config.yaml"
        )
    values = [(code, message, offer, campaign, "reserved") for code, (_, message, offer) in codes.items()]
    statement = insert_statement("coupon", ("code", "message_id", "offer", "campaign", "state"))
    execute_rows(connection, statement, values)


def _find_taken(connection: Connection, codes: Sequence[str]) -> set[str]:
    return set(read_column(connection, f"SELECT code FROM coupon WHERE code IN ({places(codes)})", *codes))


def coupon_code(secret: bytes, prefix: str, message: str, draw: int = 0) -> str:
    """A code that can't be guessed: the prefix and eight characters. A draw always gives a message the same code."""
    about = f"coupon|{prefix}|{message}" + (f"|{draw}" if draw else "")
    digest = hmac.new(secret, about.encode(), hashlib.sha256).digest()
    return f"{prefix}-{_letters(digest[:_DRAWN])}" if prefix else _letters(digest[:_ALONE])


def _letters(drawn: bytes) -> str:
    return base64.b32encode(drawn).decode().rstrip("=")


def settle(connection: Connection, messages: Sequence[str], state: str) -> None:
    """Set the state of these messages' coupons: confirmed or released."""
    promised = [(state, message) for message in messages]
    execute_rows(connection, "UPDATE coupon SET state = ? WHERE message_id = ?", promised)
