"""The options that all HTTP channels share, and types for a channel's own options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from automation import contracts
from automation.http.client import Client

_RESERVED = ("host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "te", "trailer")


def _check_header_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise ValueError(f"{name!r} is not a header name")
    if name.lower() in _RESERVED:
        raise ValueError(f"{name} is set by the HTTP client and can't be set here")
    return name


HeaderName = Annotated[str, AfterValidator(_check_header_name)]
"""The name of a header that an option may set."""


class ServiceOptions(contracts.Options):
    """Connections, timeouts and certificates."""

    connections: Annotated[int, Field(ge=1, le=100)] = Field(
        default=8, description="how many messages are sent concurrently"
    )
    timeout: Annotated[float, Field(gt=0, le=600)] = Field(
        default=20, description="seconds to connect, before the message is sent"
    )
    response_timeout: Annotated[float, Field(gt=0, le=1800)] = Field(
        default=60, description="seconds to wait for the complete response to a message"
    )
    ca_file: Path | None = Field(default=None, description="a file of certificates to trust instead of the system's")

    def client(self, *, public_only: bool = False) -> Client:
        """A client with these options. public_only: refuse private networks; for URLs from customers' data."""
        return Client(self.connections, self.timeout, self.response_timeout, public_only, self.ca_file)
