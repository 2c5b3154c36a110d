"""Assembles the web app: the routes of every file, one OpenAPI document, and the pages for errors."""

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
from automation.web.api.openapi import build_document
from automation.web.api.webhooks import receiver
from automation.web.endpoint import Endpoint
from automation.web.group_commit import Overloaded
from automation.web.public import confirm, preferences, tracking, unsubscribe
from automation.web.security_headers import SecurityHeaders
from automation.web.site import Site

PARTS: tuple[Callable[[Site], Iterator[Endpoint]], ...] = (
    tracking.make_endpoints,
    unsubscribe.make_endpoints,
    preferences.make_endpoints,
    confirm.make_endpoints,
    events.make_endpoints,
    health.make_endpoints,
    receiver.make_endpoints,
)
"""Every file of routes."""


def describe_api() -> dict[str, Any]:
    """The app's OpenAPI document; it needs no project, since routes use their site only when they answer."""
    return build_document(endpoint for part in PARTS for endpoint in part(cast(Site, None)))


def make_app(site: Site) -> Starlette:
    """The app over one site."""
    endpoints = [endpoint for part in PARTS for endpoint in part(site)]
    api = build_document(endpoints)

    async def openapi(_request: Request) -> Response:
        return JSONResponse(api)

    routes = [endpoint.make_route() for endpoint in (*endpoints, Endpoint("/openapi.json", {"GET": openapi}))]

    async def show_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return site.show_not_found()
        return PlainTextResponse(f"{error.detail}\n", error.status_code, headers=error.headers)

    async def show_busy(_request: Request, _error: Exception) -> Response:
        answer = site.show_page("problem", status=503)
        answer.headers["Retry-After"] = "5"
        return answer

    app = Starlette(
        routes=routes,
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={HTTPException: show_error, Overloaded: show_busy, OperationalError: show_busy},
    )
    app.router.redirect_slashes = False  # it would lead to the Host that the client names
    return app
