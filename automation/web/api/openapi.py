"""The OpenAPI document of the app, from what stands beside its routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import automation
from automation.web.endpoint import Endpoint


def document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """OpenAPI 3.1."""
    paths = {
        endpoint.path: {method.lower(): dict(said) for method, said in endpoint.operations.items()}
        for endpoint in endpoints
        if endpoint.operations
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Marketing Automation Daemon", "version": automation.__version__},
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }
