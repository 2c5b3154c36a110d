"""An endpoint of the app: a path, its handlers, and their descriptions in the OpenAPI document."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from automation.web.public.tokens import PATTERN

Handler = Callable[[Request], Response | Awaitable[Response]]
Operation = Mapping[str, Any]

PATIENCE = 10.0
"""Seconds within which a body must arrive."""


@dataclass(frozen=True)
class Endpoint:
    """A path with a handler for each method; GET also answers HEAD. A handler that is no coroutine runs in a thread."""

    path: str
    handlers: Mapping[str, Handler]
    operations: Mapping[str, Operation] = field(default_factory=dict)
    """Method → OpenAPI operation object; a method without one is not in the document."""

    def make_route(self) -> Route:
        async def answer(request: Request) -> Response:
            handler = self.handlers["GET" if request.method == "HEAD" else request.method]
            if inspect.iscoroutinefunction(handler):
                return cast(Response, await handler(request))
            return cast(Response, await run_in_threadpool(handler, request))

        return Route(self.path, answer, methods=list(self.handlers))


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises a 413 if it is longer than `limit` bytes, and a 408 if it doesn't arrive in time."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise HTTPException(413, f"at most {limit:,} bytes")
    parts, length = [], 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                length += len(part)
                if length > limit:
                    raise HTTPException(413, f"at most {limit:,} bytes")
                parts.append(part)
    except TimeoutError:
        raise HTTPException(408, "the body did not arrive in time") from None
    return b"".join(parts)


def describe_operation(
    summary: str,
    *,
    token: bool = False,
    body: Mapping[str, Any] | None = None,
    answers: Mapping[int, str],
    schemas: Mapping[int, Mapping[str, Any]] | None = None,
    kind: str = "text/html",
    secured: bool = False,
) -> Operation:
    """An OpenAPI operation: its responses by status, all of one content type; `schemas` are those of JSON responses."""
    described: dict[str, Any] = {"summary": summary, "responses": {}}
    for status, meaning in answers.items():
        schema = (schemas or {}).get(status)
        content = {} if status in (302, 404) or kind == "none" else {kind: {"schema": schema or {"type": "string"}}}
        described["responses"][str(status)] = {"description": meaning} | ({"content": content} if content else {})
    if token:
        described["parameters"] = [
            {
                "name": "token", "in": "path", "required": True, "description": "from the message's link",
                "schema": {"type": "string", "pattern": f"^{PATTERN}$"},
            }
        ]  # fmt: skip
    if body is not None:
        described["requestBody"] = {"required": secured, "content": dict(body)}
    if secured:
        described["security"] = [{"key": []}]
    return described
