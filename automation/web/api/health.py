"""`/health`: whether the app can read the store; for load balancers."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from automation.web.endpoint import Endpoint, describe_operation
from automation.web.site import Site

log = structlog.get_logger(__name__)
_SCHEMA = {"type": "object", "properties": {"status": {"enum": ["ok", "failing"]}}, "required": ["status"]}


def make_endpoints(site: Site) -> Iterator[Endpoint]:
    def health(_request: Request) -> Response:
        try:
            with site.workspace.store.reading() as connection:
                connection.execute(sa.text("SELECT 1 FROM fact LIMIT 1"))
        except SQLAlchemyError:
            log.exception("health check failed: the store can't be read")
            return JSONResponse({"status": "failing"}, 503)
        return JSONResponse({"status": "ok"})

    described = describe_operation(
        "Check that the app works.",
        answers={200: "it works", 503: "the store can't be read"},
        schemas={200: _SCHEMA, 503: _SCHEMA},
        kind="application/json",
    )
    yield Endpoint("/health", {"GET": health}, {"GET": described})
