"""Builds the app's OpenAPI document from the descriptions beside its routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import automation
from automation.web.endpoint import Endpoint


def build_document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The document, of OpenAPI 3.1."""
    paths = {
        endpoint.path: {method.lower(): dict(described) for method, described in endpoint.operations.items()}
        for endpoint in endpoints
        if endpoint.operations
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Marketing Automation Daemon", "version": automation.__version__},
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }
