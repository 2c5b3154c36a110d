"""The web app: each file's routes, one OpenAPI document, and pages for what leads nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from automation.web.api import events, health
from automation.web.api.openapi import document
from automation.web.api.webhooks import receiver
from automation.web.endpoint import Endpoint
from automation.web.group_commit import Overloaded
from automation.web.public import confirm, preferences, tracking, unsubscribe
from automation.web.security_headers import Hardened
from automation.web.site import Site

PARTS: tuple[Callable[[Site], Iterator[Endpoint]], ...] = (
    tracking.endpoints,
    unsubscribe.endpoints,
    preferences.endpoints,
    confirm.endpoints,
    events.endpoints,
    health.endpoints,
    receiver.endpoints,
)
"""Every file of routes. A new one is a line here."""


def described() -> dict[str, Any]:
    """The app's OpenAPI document, without a project: routes ask their site when they answer, not before."""
    return document(endpoint for part in PARTS for endpoint in part(cast(Site, None)))


def make_app(site: Site) -> Starlette:
    """The app over one site."""
    endpoints = [endpoint for part in PARTS for endpoint in part(site)]
    said = document(endpoints)

    async def openapi(_request: Request) -> Response:
        return JSONResponse(said)

    routes = [endpoint.route() for endpoint in (*endpoints, Endpoint("/openapi.json", {"GET": openapi}))]

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return site.nowhere()
        return PlainTextResponse(f"{error.detail}\n", error.status_code, headers=error.headers)

    async def busy(_request: Request, _error: Exception) -> Response:
        answer = site.page("problem", status=503)
        answer.headers["Retry-After"] = "5"
        return answer

    return Starlette(
        routes=routes,
        middleware=[Middleware(Hardened)],
        exception_handlers={HTTPException: refused, Overloaded: busy, OperationalError: busy},
    )
