"""The options that every channel over HTTP has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from automation import contracts
from automation.http.client import Client


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
