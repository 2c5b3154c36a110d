"""Keeps strangers from using up the app's connections: absolute deadlines, a limit per peer, and room for newcomers.

A peer that sends nothing, or a byte now and then, is ended when its time is over, however busy it looks. While all
connections are taken, the one that has waited longest without a request gives way to the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from typing import ClassVar, Literal

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from automation.types.loopback import is_loopback

Stage = Literal["head", "body", "answer", "idle"]
"""What a connection is at: a request's headers, its body, the answer, or nothing between two requests."""

MAX_CONNECTIONS = 500
MAX_PER_PEER = 50
KEEP_ALIVE = 15
TIMES: Mapping[Stage, float] = MappingProxyType({"head": 10.0, "body": 15.0, "answer": 60.0})
"""Seconds from the beginning of a stage to its end; between two requests `KEEP_ALIVE` counts."""


@dataclass
class ConnectionLimits:
    """The open connections, the longest waiting first. proxies: peers, besides this machine, without a limit of their
    own."""

    proxies: Collection[str] = ()
    most: int = MAX_CONNECTIONS
    per_peer: int = MAX_PER_PEER
    times: Mapping[Stage, float] = field(default_factory=lambda: TIMES)
    _open: dict[LimitedConnection, str] = field(default_factory=dict)

    def admit(self, connection: LimitedConnection, host: str) -> None:
        """Note a new connection, and make room for it; without room it is ended."""
        peer = "" if is_loopback(host) or host in self.proxies else _peer_of(host)
        own = [one for one, whose in self._open.items() if whose == peer] if peer else []
        taken = own if len(own) >= self.per_peer else list(self._open) if len(self._open) >= self.most else []
        self._open[connection] = peer
        if taken:
            next((one for one in taken if one.is_waiting), connection).end()

    def note_answer(self, connection: LimitedConnection) -> None:
        """It has had an answer: the others have waited longer."""
        if connection in self._open:
            self._open[connection] = self._open.pop(connection)

    def forget(self, connection: LimitedConnection) -> None:
        self._open.pop(connection, None)


def _peer_of(host: str) -> str:
    """The address; of IPv6 the network of 64 bits that one customer has."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ip_network(f"{address}/64", strict=False))


class LimitedConnection(H11Protocol):
    """One connection of uvicorn's, with the limits of its class."""

    limits: ClassVar[ConnectionLimits]
    _stage: Stage | None = None
    _deadline: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it has no whole request."""
        return self._stage in ("head", "idle")

    def end(self) -> None:
        """Close it at once."""
        self.limits.forget(self)
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._enter("head")
        self.limits.admit(self, self.client[0] if self.client else "")

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter(None)
        self.limits.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._stage == "idle":
            self._enter("head")
        super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.limits.note_answer(self)
        self._look()

    def _look(self) -> None:
        if self.conn.their_state is h11.SEND_BODY:
            self._enter("body")
        elif self.conn.our_state in (h11.SEND_RESPONSE, h11.SEND_BODY):
            self._enter("answer")
        elif self._stage in ("body", "answer"):
            self._enter("idle")

    def _enter(self, stage: Stage | None) -> None:
        """A stage that goes on keeps its deadline."""
        if stage == self._stage:
            return
        self._stage = stage
        if self._deadline is not None:
            self._deadline.cancel()
        time = self.limits.times.get(stage) if stage is not None else None
        self._deadline = None if time is None else self.loop.call_later(time, self.end)


def limited_protocol(limits: ConnectionLimits) -> type[LimitedConnection]:
    """The protocol of a server with these limits."""
    return type("LimitedConnection", (LimitedConnection,), {"limits": limits})
