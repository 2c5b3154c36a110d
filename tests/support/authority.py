"""A certificate authority of our own: a root, and what it issues."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from automation.testing.toy_shop import TOY_AS_OF

_SIGNS = x509.KeyUsage(
    digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
    key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
)  # fmt: skip


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """Issues certificates that are valid around the toy shop's clock. above: None for a root. at: where its own
    certificate can be fetched, by what it issues."""

    def __init__(self, name: str, above: Authority | None = None, *, at: str = "") -> None:
        self.name, self.at = name, at
        self._key = ec.generate_private_key(ec.SECP256R1())
        issuer = above or self
        made = issuer.describe(name, self._key.public_key(), TOY_AS_OF - timedelta(999), TOY_AS_OF + timedelta(999))
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        made = made.add_extension(_SIGNS, critical=True)
        own = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self.certificate = made.add_extension(own, critical=False).sign(issuer._key, SHA256())

    def describe(
        self, name: str, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, begins: datetime, ends: datetime
    ) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder(_named(self.name), _named(name), key, x509.random_serial_number(), begins, ends)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = made.add_extension(above, critical=False)
        if not self.at:
            return made
        place = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(self.at)
        )
        return made.add_extension(x509.AuthorityInformationAccess([place]), critical=False)

    def issue(
        self,
        key: rsa.RSAPublicKey,
        names: Sequence[str],
        *,
        ends: int = 1,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> x509.Certificate:
        """Made out to these host names. ends: days after the toy shop's clock. usage: what it is for."""
        made = self.describe("amazon", key, TOY_AS_OF - timedelta(2), TOY_AS_OF + timedelta(ends))
        if names:
            listed = x509.SubjectAlternativeName([x509.DNSName(one) for one in names])
            made = made.add_extension(listed, critical=False)
        return made.add_extension(x509.ExtendedKeyUsage([usage]), critical=False).sign(self._key, SHA256())
