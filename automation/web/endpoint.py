"""One address of the app, with what its OpenAPI document says about it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from automation.web.public.tokens import PATTERN

Handler = Callable[[Request], Response | Awaitable[Response]]
Operation = Mapping[str, Any]

PATIENCE = 10.0
"""Seconds that a body may take to arrive."""


@dataclass(frozen=True)
class Endpoint:
    """A path with a handler for each method; GET answers HEAD too. A handler that is no coroutine gets a thread."""

    path: str
    handlers: Mapping[str, Handler]
    operations: Mapping[str, Operation] = field(default_factory=dict)
    """Method → OpenAPI operation object; a method without one is left out of the document."""

    def route(self) -> Route:
        async def answer(request: Request) -> Response:
            handler = self.handlers["GET" if request.method == "HEAD" else request.method]
            if inspect.iscoroutinefunction(handler):
                answered: Response = await handler(request)
                return answered
            found = await run_in_threadpool(handler, request)
            assert isinstance(found, Response)
            return found

        return Route(self.path, answer, methods=list(self.handlers))


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. 413 where it is longer than `limit` bytes, 408 where it doesn't come."""
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
        raise HTTPException(408, "the body did not arrive") from None
    return b"".join(parts)


def operation(
    summary: str,
    *,
    token: bool = False,
    body: Mapping[str, Any] | None = None,
    answers: Mapping[int, str],
    schemas: Mapping[int, Mapping[str, Any]] | None = None,
    kind: str = "text/html",
    secured: bool = False,
) -> Operation:
    """An OpenAPI operation: its answers by status, of one content type; `schemas` are those of JSON answers."""
    said: dict[str, Any] = {"summary": summary, "responses": {}}
    for status, meaning in answers.items():
        schema = (schemas or {}).get(status)
        content = {} if status in (302, 404) or kind == "none" else {kind: {"schema": schema or {"type": "string"}}}
        said["responses"][str(status)] = {"description": meaning} | ({"content": content} if content else {})
    if token:
        said["parameters"] = [
            {
                "name": "token", "in": "path", "required": True, "description": "from the message's link",
                "schema": {"type": "string", "pattern": f"^{PATTERN}$"},
            }
        ]  # fmt: skip
    if body is not None:
        said["requestBody"] = {"required": secured, "content": dict(body)}
    if secured:
        said["security"] = [{"key": []}]
    return said
