"""The certificates that SNS signs with: fetched once each, and trusted only if a public authority made them out to SNS.

A file of SNS need not have more than the certificate itself. Then its issuer is fetched from where the certificate
says, if that is an authority that Amazon uses: what comes from there proves itself by its signatures, up to a root of
this system.
"""

from __future__ import annotations

import re
import ssl
import warnings
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

log = structlog.get_logger(__name__)

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets the content of a web address. Raises `OSError`."""

_ISSUERS = re.compile(
    r"http://(?:[a-z0-9-]{1,63}\.){0,3}(?:amazontrust|digicert)\.com/[A-Za-z0-9_-]{1,100}\.(?:cer|crt)", re.ASCII
)
_MAX_CERTIFICATES = 8
_MAX_ISSUERS = 3


@dataclass
class _Chain:
    """What SNS gave, and the issuers that were fetched since."""

    certificate: Certificate
    issuers: list[Certificate] = field(default_factory=list)


class SnsCertificates:
    """Keeps the few that it has fetched, with their issuers. roots: the authorities to trust."""

    def __init__(self, fetch: Fetch, roots: Callable[[], Sequence[Certificate]] | None = None) -> None:
        self._fetch = fetch
        self._roots = roots or system_roots
        self._kept: dict[str, _Chain] = {}

    async def find(self, address: str, names: Iterable[str], now: datetime) -> Certificate | None:
        """The certificate at this address; None if it is not valid now for one of these host names, or no chain leads
        from it to a root. Raises `OSError` if it or an issuer can't be fetched."""
        chain = await self._chain(address)
        if chain is None:
            return None
        why = self._fault(chain, names, now)
        while why and len(chain.issuers) < _MAX_ISSUERS:
            above = (chain.issuers or [chain.certificate])[-1]
            source = _issuer_address(above)
            if source is None or _issued(above, chain.issuers):
                break
            issuer = _read_one(await self._fetch(source))
            if issuer is None:
                break
            chain.issuers.append(issuer)
            why = self._fault(chain, names, now)
        if why:
            log.warning("a certificate of SNS is not trusted", certificate=address, why=why)
            return None
        return chain.certificate

    async def _chain(self, address: str) -> _Chain | None:
        from cryptography.x509 import load_pem_x509_certificates

        if address not in self._kept:
            try:
                first, *others = load_pem_x509_certificates(await self._fetch(address))
            except ValueError:
                return None
            while len(self._kept) >= _MAX_CERTIFICATES:
                del self._kept[next(iter(self._kept))]
            self._kept[address] = _Chain(first, others[:_MAX_ISSUERS])
        return self._kept[address]

    def _fault(self, chain: _Chain, names: Iterable[str], now: datetime) -> str:
        """Why it can't be trusted for any of the names; "" if it can."""
        from cryptography.x509 import DNSName
        from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

        policy = PolicyBuilder().store(Store(list(self._roots()))).time(now).max_chain_depth(_MAX_ISSUERS)
        why = "it has no names"
        for name in sorted(names):
            try:
                policy.build_server_verifier(DNSName(name)).verify(chain.certificate, chain.issuers)
            except (VerificationError, ValueError) as error:
                why = str(error)[:200]
            else:
                return ""
        return why


@cache
def system_roots() -> tuple[Certificate, ...]:
    """The authorities that this system trusts for web servers; `SSL_CERT_FILE` names others."""
    from cryptography.x509 import load_der_x509_certificate

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old roots with odd serial numbers
        return tuple(map(load_der_x509_certificate, ssl.create_default_context().get_ca_certs(binary_form=True)))


def _issued(certificate: Certificate, issuers: Sequence[Certificate]) -> bool:
    """Whether its issuer is there already, or it is its own."""
    return certificate.issuer in {certificate.subject, *(one.subject for one in issuers)}


def _issuer_address(certificate: Certificate) -> str | None:
    """Where the certificate says that its issuer's is, if that is an authority that Amazon uses."""
    from cryptography.x509 import AuthorityInformationAccess, ExtensionNotFound, UniformResourceIdentifier
    from cryptography.x509.oid import AuthorityInformationAccessOID

    try:
        listed = certificate.extensions.get_extension_for_class(AuthorityInformationAccess).value
    except (ExtensionNotFound, ValueError):
        return None
    places = [
        one.access_location.value
        for one in listed
        if one.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        and isinstance(one.access_location, UniformResourceIdentifier)
    ]
    return next((place for place in places if _ISSUERS.fullmatch(place)), None)


def _read_one(content: bytes) -> Certificate | None:
    from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

    try:
        return (
            load_pem_x509_certificate(content) if content.startswith(b"-----") else load_der_x509_certificate(content)
        )
    except ValueError:
        return None
