"""Protection against SSRF (server-side request forgery) and DNS rebinding.

A URL from a customer's data must not lead into a private network. The host name is resolved once, every address is
checked, and the connection goes to a checked address, so the name can't resolve differently in between.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpcore

from automation.http.urls import UrlNotAllowed

_GLOBAL_UNICAST_6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_BLOCKED = tuple(
    ipaddress.ip_network(block)
    for block in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
"""IANA's special-purpose registries, multicast, and 6to4 and Teredo, which can embed a private IPv4 address."""


def is_public_address(address: str) -> bool:
    """Whether an IP address is public. An IPv4-mapped or NAT64 address is judged by the IPv4 address in it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        embedded = parsed.ipv4_mapped or (ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF) if parsed in _NAT64 else None)
        if embedded is not None:
            return is_public_address(str(embedded))
        if parsed not in _GLOBAL_UNICAST_6:
            return False
    return not any(parsed in block for block in _BLOCKED if block.version == parsed.version)


@dataclass
class PublicNetworkBackend(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only. TLS and the Host header use the name, so the certificate must match the name.

    Every address of a name must be public; a name with public and private addresses is treated as an attack.
    """

    backend: httpcore.AsyncNetworkBackend = field(default_factory=httpcore.AnyIOBackend)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await _resolve(host, port)
        if not all(is_public_address(address) for address in addresses):
            raise UrlNotAllowed("the host is in a private network")
        for address in addresses[:-1]:
            try:
                return await self.backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self.backend.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)


async def _resolve(host: str, port: int) -> list[str]:
    try:
        entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} can't be resolved") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))
