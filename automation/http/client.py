"""Sends one request and reads its answer; tells when the service could first act on it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import JsonValue

from automation.http.reach import NotAllowed, split_url
from automation.http.slots import Slots

if TYPE_CHECKING:
    import httpcore

AGENT = "marketing-automation-daemon"
MAX_ANSWER = 256 * 1024
"""Bytes of an answer that are read; the rest is cut off."""
LONGEST_WAIT = timedelta(days=1)
"""A longer Retry-After is shortened to this."""
KEPT_FOR = 4.0
"""Seconds that a connection may stay idle: less than after which services close it (5 s and more)."""


class NotSent(Exception):
    """The body was not sent. The text is short and contains no address."""


class Unanswered(Exception):
    """The body was sent, but no answer came. The text is short and contains no address."""


@dataclass(frozen=True)
class Request:
    """A request; its body is not empty. Header names and values are ASCII without line breaks."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass(frozen=True)
class Answer:
    """An answer: header names in lower case; `whole` if the body is complete, else it is what arrived of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True

    def json(self) -> JsonValue:
        """The body as JSON; None if it is not JSON, or incomplete."""
        if not self.whole:
            return None
        try:
            found: JsonValue = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found

    def retry_after(self, sent_at: datetime) -> timedelta | None:
        """How long the service asks to wait (RFC 9110, 10.2.3), at most a day; None if it doesn't say.

        A date is relative to the answer's own Date, or to `sent_at` if it has none.
        """
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdecimal():
            return min(timedelta(seconds=min(int(value[:10]), 10**6)), LONGEST_WAIT)
        until = instant(value)
        if until is None:
            return None
        return min(max(until - (self.date or sent_at), timedelta(0)), LONGEST_WAIT)

    @property
    def date(self) -> datetime | None:
        """The service's own time, if it sends it."""
        return instant(self.headers.get("date", ""))


@dataclass
class Client:
    """Calls services over HTTP/1.1. Follows no redirect, keeps no cookie, and ignores the environment's proxies.

    At most `connections` are open; further requests wait for one. Then the body must be sent within `timeout` seconds,
    and the whole answer must arrive within `answer_timeout` seconds after that. `public_only`: refuses private
    networks, by checking the address that it connects to.
    """

    connections: int
    timeout: float
    answer_timeout: float
    public_only: bool = False
    ca_file: Path | None = None
    _pools: dict[str, httpcore.AsyncConnectionPool] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        self._slots = Slots(self.connections)

    async def send(self, request: Request, hand_over: Callable[[], None]) -> Answer:
        """The service's answer; `hand_over` is called once, right before the body is written.

        Raises `NotSent` if that did not happen (`NotAllowed` if it must not), and `Unanswered` if no status came after
        it.
        """
        assert request.body, "without a body there is no instant before it"
        try:
            split_url(request.url)
        except ValueError as error:
            raise NotAllowed(str(error)) from None
        handed_over = False

        async def body() -> AsyncIterator[bytes]:
            nonlocal handed_over
            handed_over = True
            hand_over()
            deadline.reschedule(asyncio.get_running_loop().time() + self.answer_timeout)
            yield request.body

        try:
            async with self._slots, asyncio.timeout(self.timeout) as deadline:
                return await self._exchange(request, body(), deadline)
        except NotAllowed:
            raise
        except Exception as error:
            raise (Unanswered if handed_over else NotSent)(_why(error, self.public_only)) from error

    async def fetch(self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """The content of a URL, for requests that change nothing. Raises `NotSent` and `NotAllowed` as `send` does."""
        try:
            split_url(url)
        except ValueError as error:
            raise NotAllowed(str(error)) from None
        try:
            async with self._slots, asyncio.timeout(self.timeout + self.answer_timeout) as deadline:
                return await self._exchange(Request(url, b"", headers or {}, method), None, deadline)
        except NotAllowed:
            raise
        except Exception as error:
            raise NotSent(_why(error, self.public_only)) from error

    async def close(self) -> None:
        """Close every connection; the client may be used again."""
        pools, self._pools = self._pools, {}
        if self._loop is asyncio.get_running_loop():
            for pool in pools.values():
                await pool.aclose()

    async def _exchange(self, request: Request, body: AsyncIterator[bytes] | None, deadline: asyncio.Timeout) -> Answer:
        headers = {"user-agent": AGENT, "accept-encoding": "identity"}
        headers |= {"content-length": str(len(request.body))} if body is not None else {}
        headers |= {name.lower(): value for name, value in request.headers.items()}
        limits = {"timeout": {"connect": self.timeout / 2}}  # each of TCP and TLS; a cancelled TLS leaks its socket
        async with self._open(request.url).stream(
            request.method, request.url, headers=[*headers.items()], content=body, extensions=limits
        ) as response:
            until = deadline.when()
            deadline.reschedule(None)
            found = {name.decode("ascii").lower(): value.decode("latin-1") for name, value in response.headers}
            content, whole = await _read(response, until)
        return Answer(response.status, found, content, whole)

    def _open(self, url: str) -> httpcore.AsyncConnectionPool:
        """The connection pool of the URL's scheme; it belongs to the event loop that opened it."""
        import httpcore

        loop, scheme = asyncio.get_running_loop(), urlsplit(url).scheme
        if self._loop is not loop:
            self._loop, self._pools = loop, {}
        if scheme not in self._pools:
            from automation.http.pinned import PublicOnly

            self._pools[scheme] = httpcore.AsyncConnectionPool(
                ssl_context=self._trust() if scheme == "https" else None,
                max_connections=self.connections,
                keepalive_expiry=KEPT_FOR,
                network_backend=PublicOnly() if self.public_only else None,
            )
        return self._pools[scheme]

    def _trust(self) -> ssl.SSLContext:
        """The trusted certificates; reading the system's takes 50 ms, so it happens only for TLS."""
        return ssl.create_default_context(cafile=self.ca_file)


async def _read(response: httpcore.Response, until: float | None) -> tuple[bytes, bool]:
    """The body as far as it arrived, and whether it is complete; the status alone counts as an answer."""
    content = bytearray()
    try:
        async with asyncio.timeout_at(until):
            async for part in response.aiter_stream():
                content += part
                if len(content) > MAX_ANSWER:
                    return bytes(content[:MAX_ANSWER]), False
    except Exception:
        return bytes(content), False
    return bytes(content), True


def instant(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _why(error: Exception, public_only: bool) -> str:
    import httpcore

    if isinstance(error, TimeoutError | httpcore.TimeoutException):
        return "timed out"
    if isinstance(error, httpcore.ConnectError):
        return "no connection" if public_only else f"no connection: {str(error)[:100]}"
    return f"the connection broke ({type(error).__name__})"
