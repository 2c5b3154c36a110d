"""Connections to the address that was checked: the name is resolved once, so it can't change in between."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpcore

from automation.http.reach import NotAllowed, is_public


@dataclass
class PublicOnly(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only. TLS and the Host header keep the name, so certificates are checked by it.

    Every address of a name must be public; a name with both kinds is taken for an attack.
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
        addresses = await _addresses(host, port)
        if not all(is_public(address) for address in addresses):
            raise NotAllowed("the host is in a private network")
        for address in addresses[:-1]:
            try:
                return await self.backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self.backend.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)


async def _addresses(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} can't be found") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
