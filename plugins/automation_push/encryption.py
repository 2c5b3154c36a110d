"""End-to-end encryption of a push message for one browser (RFC 8291); the push service can't read it."""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

RECORD_SIZE = 4096
MAX_PLAINTEXT = RECORD_SIZE - 86 - 16 - 1
"""Bytes of plaintext in a record: the header takes 86, the tag 16, and the delimiter 1."""


def encrypt(
    plaintext: bytes,
    public_key: bytes,
    auth_secret: bytes,
    *,
    salt: bytes | None = None,
    key: EllipticCurvePrivateKey | None = None,
) -> bytes:
    """The body of a request with `Content-Encoding: aes128gcm` (RFC 8188), as one record.

    plaintext: at most `MAX_PLAINTEXT` bytes. public_key: the browser's `p256dh`, 65 bytes, a point on P-256.
    auth_secret: the browser's `auth`, 16 bytes. salt (16 bytes), key: random by default; set them only to reproduce a
    test vector. Raises ValueError for an invalid key or a plaintext that is too long.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if len(plaintext) > MAX_PLAINTEXT or len(auth_secret) != 16:
        raise ValueError("the text is too long, or the key `auth` is not 16 bytes long")
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    ours = key or ec.generate_private_key(ec.SECP256R1())
    sender = ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    salt = salt or os.urandom(16)
    shared = ours.exchange(ec.ECDH(), theirs)
    material = _expand(_hmac(auth_secret, shared), b"WebPush: info\0" + public_key + sender, 32)
    root = _hmac(salt, material)
    content_key = _expand(root, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _expand(root, b"Content-Encoding: nonce\0", 12)
    header = salt + RECORD_SIZE.to_bytes(4, "big") + bytes([len(sender)]) + sender
    return header + AESGCM(content_key).encrypt(nonce, plaintext + b"\x02", None)


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _expand(key: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand (RFC 5869) for at most 32 bytes."""
    return _hmac(key, info + b"\x01")[:length]
