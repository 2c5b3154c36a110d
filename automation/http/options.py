"""The options that all channels over HTTP share, and types for a channel's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from automation import contracts
from automation.http.client import Client

_FRAMING = ("host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "te", "trailer")


def _header(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise ValueError(f"{name!r} is not a header's name")
    if name.lower() in _FRAMING:
        raise ValueError(f"{name} is set by the connection itself")
    return name


HeaderName = Annotated[str, AfterValidator(_header)]
"""The name of a header that options may set."""


class ServiceOptions(contracts.Options):
    """How a service is called."""

    connections: Annotated[int, Field(ge=1, le=100)] = Field(
        default=8, description="how many messages are on their way at once"
    )
    timeout: Annotated[float, Field(gt=0, le=600)] = Field(
        default=20, description="seconds to connect, before a message is handed over"
    )
    answer_timeout: Annotated[float, Field(gt=0, le=1800)] = Field(
        default=60, description="seconds to wait for the whole answer to a message"
    )
    ca_file: Path | None = Field(default=None, description="certificates to trust instead of the system's")

    def client(self, *, public_only: bool = False) -> Client:
        return Client(self.connections, self.timeout, self.answer_timeout, public_only, self.ca_file)
