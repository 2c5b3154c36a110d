"""The tokens that a message's links carry, as the composer makes them."""

from __future__ import annotations

from automation.ids import link_id, sign


def token_of(secret: bytes, purpose: str, message: str, *, link: int | None = None) -> str:
    """The token for this purpose; link: the number of a click link."""
    identity = link_id(secret, message)
    return sign(secret, purpose, identity if link is None else f"{identity}.{link}")
