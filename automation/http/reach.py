"""Which URLs may be called: services that the admin configures, and endpoints that customers' data names."""

from __future__ import annotations

import ipaddress
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator


class NotAllowed(Exception):
    """A URL leads into a private network, or is not valid. The text is short and contains no address."""


_GLOBAL_6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NEVER = tuple(
    ipaddress.ip_network(block)
    for block in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
"""Not public (IANA's special-purpose registries), multicast, and 6to4 and Teredo, which hide other addresses."""


def is_public(address: str) -> bool:
    """Whether an IP address is public; for a mapped or NAT64 address, whether the IPv4 address inside it is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or (ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in _NAT64 else None)
        if inner is not None:
            return is_public(str(inner))
        if found not in _GLOBAL_6:
            return False
    return not any(found in block for block in _NEVER if block.version == found.version)


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine, by name or IP address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def split_url(url: str) -> SplitResult:
    """The parts of an http or https URL with a host and no login. Raises ValueError, whose text doesn't repeat it."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("a URL has only ASCII characters and no spaces")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not a URL that begins with https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL holds no user and no password; they have options of their own")
    if parts.port == 0:  # reading it also refuses what is no port at all
        raise ValueError("port 0 is none")
    return parts


def _service(url: str) -> str:
    parts = split_url(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError(f"must begin with https://; http:// only goes to this machine, not to {parts.hostname}")
    if parts.fragment:
        raise ValueError("a URL that is called has no #")
    return url


ServiceUrl = Annotated[str, AfterValidator(_service)]
"""A URL in an admin's options: https, or http to this machine."""
