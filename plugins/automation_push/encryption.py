"""Encryption of a push message for one browser (RFC 8291), which the push service between can't read."""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

RECORD = 4096
MAX_PLAIN = RECORD - 86 - 16 - 1
"""Bytes of text: 86 are the header, 16 the tag, 1 ends the text."""


def encrypt(
    plain: bytes, public: bytes, secret: bytes, *, salt: bytes | None = None, key: EllipticCurvePrivateKey | None = None
) -> bytes:
    """The body of a request with `Content-Encoding: aes128gcm` (RFC 8188), of one record.

    plain: at most `MAX_PLAIN` bytes. public: the browser's key `p256dh`, 65 bytes, a point of P-256. secret: its
    `auth`, 16 bytes. salt (16 bytes) and key are new each time, and given only to repeat an example. Raises ValueError.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if len(plain) > MAX_PLAIN or len(secret) != 16:
        raise ValueError("the text is too long, or the key `auth` is not 16 bytes long")
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    ours = key or ec.generate_private_key(ec.SECP256R1())
    sender = ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    salt = salt or os.urandom(16)
    shared = ours.exchange(ec.ECDH(), theirs)
    material = _expand(_hmac(secret, shared), b"WebPush: info\0" + public + sender, 32)
    root = _hmac(salt, material)
    content_key = _expand(root, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _expand(root, b"Content-Encoding: nonce\0", 12)
    header = salt + RECORD.to_bytes(4, "big") + bytes([len(sender)]) + sender
    return header + AESGCM(content_key).encrypt(nonce, plain + b"\x02", None)


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _expand(key: bytes, info: bytes, length: int) -> bytes:
    """HKDF's expansion (RFC 5869) of at most 32 bytes."""
    return _hmac(key, info + b"\x01")[:length]
