"""What every answer has, and what no answer shows: headers against embedding and leaking, never a stack trace."""

from __future__ import annotations

import structlog
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

HEADERS = {
    "Referrer-Policy": "no-referrer",  # an address holds a token
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "interest-cohort=()",
}
"""Set on every answer that does not set its own."""
MOST_HEADERS = 16_384
"""Bytes of names and values."""


class Hardened:
    """Wraps the app. An error that nobody expected is logged with the kind of page, never with its token, and told
    to nobody else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADERS:
            await PlainTextResponse("Too many headers.\n", 431)(scope, receive, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, guarded)
        except Exception:
            log.exception("a request failed", page=_kind(scope["path"]), method=scope["method"])
            if not started:
                await PlainTextResponse("Something went wrong. Please try again.\n", 500)(scope, receive, guarded)


def _kind(path: str) -> str:
    first = path.split("/")[1] if path.startswith("/") else ""
    return first if first.isascii() and first.isalnum() and len(first) <= 20 else "another"
