"""Signed JSON Web Tokens (JWT, RFC 7519), for authentication with push services."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


def encode_base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_base64url(text: str) -> bytes:
    """Decode base64url with or without padding. Raises ValueError."""
    bare = text.rstrip("=")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)


def sign_es256(claims: Mapping[str, object], key: EllipticCurvePrivateKey) -> str:
    """A JWT signed with ECDSA over P-256; the signature is r and s, 32 bytes each (RFC 7518, 3.4)."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return _sign("ES256", claims, sign)


def sign_rs256(claims: Mapping[str, object], key: RSAPrivateKey) -> str:
    """A JWT signed with RSA and PKCS #1 v1.5 (RFC 7518, 3.3)."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    return _sign("RS256", claims, lambda data: key.sign(data, PKCS1v15(), SHA256()))


def _sign(algorithm: str, claims: Mapping[str, object], sign: Callable[[bytes], bytes]) -> str:
    parts = ({"typ": "JWT", "alg": algorithm}, dict(claims))
    text = ".".join(encode_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{text}.{encode_base64url(sign(text.encode()))}"
