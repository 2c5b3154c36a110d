"""Sends a request and reads the response; a callback runs right before the body is written."""

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

from automation.contracts import Withdrawn
from automation.http.concurrency import ConcurrencyLimit
from automation.http.urls import UrlNotAllowed, split_url

if TYPE_CHECKING:
    import httpcore

USER_AGENT = "marketing-automation-daemon"
MAX_RESPONSE = 256 * 1024
"""Bytes of a response body that are read; the rest is cut off."""
MAX_RETRY_AFTER = timedelta(days=1)
"""A longer Retry-After is shortened to this."""
KEEP_ALIVE = 4.0
"""Seconds that an idle connection is kept; services close theirs after 5 s or more."""


class NotSent(Exception):
    """The body was not sent. The text is short and contains no address."""


class NoResponse(Exception):
    """The body was sent, but no response came. The text is short and contains no address."""


@dataclass(frozen=True)
class Request:
    """A request with a non-empty body. Header names and values are ASCII without line breaks."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass(frozen=True)
class Response:
    """A response. Header names are in lower case. If `complete` is False, `body` is the part that arrived."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True

    def json(self) -> JsonValue:
        """The body as JSON; None if it is not JSON or not complete."""
        if not self.complete:
            return None
        try:
            content: JsonValue = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return content

    def retry_after(self, sent_at: datetime) -> timedelta | None:
        """The time to wait from the header Retry-After (RFC 9110, 10.2.3), at most a day; None without a valid one.

        A date in it is compared with the response's Date header, or with `sent_at` if that is missing.
        """
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdecimal():
            return min(timedelta(seconds=min(int(value[:10]), 10**6)), MAX_RETRY_AFTER)
        until = parse_http_date(value)
        if until is None:
            return None
        return min(max(until - (self.date or sent_at), timedelta(0)), MAX_RETRY_AFTER)

    @property
    def date(self) -> datetime | None:
        """The time in the header Date; None if it is missing or invalid."""
        return parse_http_date(self.headers.get("date", ""))


@dataclass
class Client:
    """An HTTP/1.1 client. It follows no redirects, keeps no cookies, and ignores proxies set in the environment.

    connections: how many requests run concurrently; further requests wait, and this wait has no timeout. timeout:
    seconds to connect, until the body is written. response_timeout: seconds after that for the complete response.
    public_only: refuse private networks (see `ssrf.py`). ca_file: certificates to trust instead of the system's.
    """

    connections: int
    timeout: float
    response_timeout: float
    public_only: bool = False
    ca_file: Path | None = None
    _pools: dict[str, httpcore.AsyncConnectionPool] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        self._limit = ConcurrencyLimit(self.connections)

    async def send(self, request: Request, hand_over: Callable[[], None]) -> Response:
        """Send a request and return the response; `hand_over` is called once, right before the body is written.

        Raises `UrlNotAllowed` or `NotSent` if the body was not written, `Withdrawn` if `hand_over` does, and
        `NoResponse` if the body was written but no status came back.
        """
        assert request.body, "a request without a body has no hand-over; use fetch"
        try:
            split_url(request.url)
        except ValueError as error:
            raise UrlNotAllowed(str(error)) from None
        handed_over = False

        async def body() -> AsyncIterator[bytes]:
            nonlocal handed_over
            hand_over()
            handed_over = True
            deadline.reschedule(asyncio.get_running_loop().time() + self.response_timeout)
            yield request.body

        try:
            async with self._limit, asyncio.timeout(self.timeout) as deadline:
                return await self._request(request, body(), deadline)
        except (UrlNotAllowed, Withdrawn):
            raise
        except Exception as error:
            raise (NoResponse if handed_over else NotSent)(_describe(error, self.public_only)) from error

    async def fetch(self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Response:
        """Get a URL; for requests that change nothing. Raises `UrlNotAllowed`, and `NotSent` for any other failure."""
        try:
            split_url(url)
        except ValueError as error:
            raise UrlNotAllowed(str(error)) from None
        try:
            async with self._limit, asyncio.timeout(self.timeout + self.response_timeout) as deadline:
                return await self._request(Request(url, b"", headers or {}, method), None, deadline)
        except UrlNotAllowed:
            raise
        except Exception as error:
            raise NotSent(_describe(error, self.public_only)) from error

    async def close(self) -> None:
        """Close all connections. The client can be used again."""
        pools, self._pools = self._pools, {}
        if self._loop is asyncio.get_running_loop():
            for pool in pools.values():
                await pool.aclose()

    async def _request(
        self, request: Request, body: AsyncIterator[bytes] | None, deadline: asyncio.Timeout
    ) -> Response:
        headers = {"user-agent": USER_AGENT, "accept-encoding": "identity"}
        headers |= {"content-length": str(len(request.body))} if body is not None else {}
        headers |= {name.lower(): value for name, value in request.headers.items()}
        limits = {"timeout": {"connect": self.timeout / 2}}  # each for TCP and TLS; a cancelled TLS leaks a socket
        async with self._pool(request.url).stream(
            request.method, request.url, headers=[*headers.items()], content=body, extensions=limits
        ) as response:
            until = deadline.when()
            deadline.reschedule(None)
            received = {name.decode("ascii").lower(): value.decode("latin-1") for name, value in response.headers}
            content, complete = await _read_body(response, until)
        return Response(response.status, received, content, complete)

    def _pool(self, url: str) -> httpcore.AsyncConnectionPool:
        """The connection pool for the URL's scheme; a pool works only in the event loop that opened it."""
        import httpcore

        loop, scheme = asyncio.get_running_loop(), urlsplit(url).scheme
        if self._loop is not loop:
            self._loop, self._pools = loop, {}
        if scheme not in self._pools:
            from automation.http.ssrf import PublicNetworkBackend

            self._pools[scheme] = httpcore.AsyncConnectionPool(
                ssl_context=self._ssl_context() if scheme == "https" else None,
                max_connections=self.connections,
                keepalive_expiry=KEEP_ALIVE,
                network_backend=PublicNetworkBackend() if self.public_only else None,
            )
        return self._pools[scheme]

    def _ssl_context(self) -> ssl.SSLContext:
        """Loading the system's certificates takes 50 ms, so it happens only for https."""
        return ssl.create_default_context(cafile=self.ca_file)


async def _read_body(response: httpcore.Response, until: float | None) -> tuple[bytes, bool]:
    """The part of the body that arrived, and whether it is complete. An error is ignored: the status has arrived."""
    content = bytearray()
    try:
        async with asyncio.timeout_at(until):
            async for part in response.aiter_stream():
                content += part
                if len(content) > MAX_RESPONSE:
                    return bytes(content[:MAX_RESPONSE]), False
    except Exception:
        return bytes(content), False
    return bytes(content), True


def parse_http_date(text: str) -> datetime | None:
    """A date as HTTP (RFC 9110) or e-mail (RFC 5322) writes it, in UTC if it has no time zone; None if invalid."""
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _describe(error: Exception, public_only: bool) -> str:
    import httpcore

    if isinstance(error, TimeoutError | httpcore.TimeoutException):
        return "timed out"
    if isinstance(error, httpcore.ConnectError):
        return "no connection" if public_only else f"no connection: {str(error)[:100]}"
    return f"the connection failed ({type(error).__name__})"
