"""Security headers on every response: against embedding, indexing and leaking; and no stack trace in any."""

from __future__ import annotations

import structlog
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

HEADERS = {
    "Referrer-Policy": "no-referrer",  # a path contains a token
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "interest-cohort=()",
}
"""Set on every response that does not set its own."""
MAX_HEADER_BYTES = 16_384
"""Bytes of the names and values of a request's headers."""
_FAILED = "Something went wrong. Please try again.\n"


class SecurityHeaders:
    """Middleware around the app. An unexpected error is logged with the kind of page, never with its token; the client
    learns nothing about it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
            await PlainTextResponse("Too many headers.\n", 431)(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            log.exception("request failed", page=_page_kind(scope["path"]), method=scope["method"])
            if not started:
                await PlainTextResponse(_FAILED, 500)(scope, receive, send_with_headers)


def _page_kind(path: str) -> str:
    first = path.split("/")[1] if path.startswith("/") else ""
    return first if first.isascii() and first.isalnum() and len(first) <= 20 else "other"
