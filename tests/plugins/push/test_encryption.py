"""Encryption, compared with the RFC's example and an independent implementation, and signatures."""

from __future__ import annotations

import json
import secrets

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from automation_push.encryption import MAX_PLAINTEXT, RECORD_SIZE, encrypt
from automation_push.jwt import decode_base64url, encode_base64url, sign_es256, sign_rs256


def private(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(decode_base64url(text), "big"), ec.SECP256R1())


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def test_the_example_of_rfc_8291() -> None:
    """Section 5 and appendix A."""
    theirs = private("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        decode_base64url("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        decode_base64url("BTBZMqHH6r4Tts7J_aSIgg"),
        salt=decode_base64url("DGv6ra1nlYgDCS1FRnbzlw"),
        key=private("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
    )
    assert encode_base64url(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    assert point(theirs) == decode_base64url(
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    )


@pytest.mark.parametrize("size", [0, 1, 100, MAX_PLAINTEXT])
def test_another_implementation_decrypts_it(size: int) -> None:
    key, secret, plain = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16), secrets.token_bytes(size)
    body = encrypt(plain, point(key), secret)
    assert len(body) <= RECORD_SIZE
    assert http_ece.decrypt(body, private_key=key, auth_secret=secret, version="aes128gcm") == plain
    assert encrypt(plain, point(key), secret) != body


@pytest.mark.parametrize(
    ("plain", "public", "secret"),
    [
        (b"x" * (MAX_PLAINTEXT + 1), point(private("AQ")), bytes(16)),
        (b"x", point(private("AQ")), bytes(15)),
        (b"x", b"\x04" + bytes(64), bytes(16)),  # not on the curve
        (b"x", point(private("AQ"))[:-1], bytes(16)),
        (b"x", b"", bytes(16)),
    ],
)
def test_invalid_arguments(plain: bytes, public: bytes, secret: bytes) -> None:
    with pytest.raises(ValueError, match=r"too long|[Ii]nvalid|point|empty"):
        encrypt(plain, public, secret)


def parts(token: str) -> tuple[object, object, bytes, bytes]:
    head, claims, signature = token.split(".")
    return (
        json.loads(decode_base64url(head)),
        json.loads(decode_base64url(claims)),
        decode_base64url(signature),
        f"{head}.{claims}".encode(),
    )


def test_es256() -> None:
    key = private("AQ")
    head, claims, signature, signed = parts(sign_es256({"aud": "ä"}, key))
    assert (head, claims, len(signature)) == ({"typ": "JWT", "alg": "ES256"}, {"aud": "ä"}, 64)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))


def test_rs256() -> None:
    key = rsa.generate_private_key(65537, 2048)
    head, claims, signature, signed = parts(sign_rs256({"iss": "a"}, key))
    assert (head, claims) == ({"typ": "JWT", "alg": "RS256"}, {"iss": "a"})
    key.public_key().verify(signature, signed, padding.PKCS1v15(), SHA256())


@pytest.mark.parametrize("text", ["*", "a", "ab$d"])
def test_invalid_base64url(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|padding|data|characters"):
        decode_base64url(text)
