"""`/health`: whether the app works, for load balancers, and whether campaigns really run, for monitoring."""

from __future__ import annotations

from collections.abc import Iterator

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from automation.daemon.operation import read_operation
from automation.reporting.json_output.encoding import encode_json
from automation.web.endpoint import Endpoint, describe_operation
from automation.web.site import Site

log = structlog.get_logger(__name__)
_COUNT = {"type": "integer", "minimum": 0}
_RUNNING = {
    "daemon": {"enum": ["running", "silent", "not running"]},
    "scheduler_looked_seconds_ago": {"type": ["integer", "null"]},
    "next_due": {"type": ["string", "null"], "format": "date-time"},
    "launched": _COUNT,
    "stops": _COUNT,
    "held_runs": _COUNT,
    "log_bytes": _COUNT,
    "log_kept_since": {"type": ["string", "null"], "format": "date-time"},
    "log_kept_by": {"type": "array", "items": _COUNT},
    "problems": {
        "type": "array",
        "items": {"enum": ["daemon", "held runs", "scheduler", "sending", "write-ahead log"]},
    },
}
_WORKS = {
    "type": "object",
    "properties": {"status": {"enum": ["ok", "attention"]}, **_RUNNING},
    "required": ["status", *_RUNNING],
}
_FAILS = {"type": "object", "properties": {"status": {"enum": ["failing"]}}, "required": ["status"]}


def make_endpoints(site: Site) -> Iterator[Endpoint]:
    def health(_request: Request) -> Response:
        try:
            found = read_operation(site.workspace).to_json()
        except SQLAlchemyError:
            log.exception("health check failed: the store can't be read")
            return JSONResponse({"status": "failing"}, 503)
        status = "attention" if found["problems"] else "ok"
        return Response(encode_json({"status": status, **found}), media_type="application/json")

    described = describe_operation(
        "Check that the app works, and that what was launched runs.",
        answers={
            200: "the app works; `attention` if `problems` isn't empty: `automation doctor` says what they are",
            503: "the store can't be read",
        },
        schemas={200: _WORKS, 503: _FAILS},
        kind="application/json",
    )
    yield Endpoint("/health", {"GET": health}, {"GET": described})
