"""What is stopped or paused."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class Pause(SQLModel, table=True):
    """A campaign by name, a channel (`channel:email`), or everything (`*`), from which nothing is sent."""

    scope: str = Field(primary_key=True)
    at: int = Field(sa_type=BigInteger)
    by: str
    reason: str = Field(default="", sa_column_kwargs={"server_default": ""})  # empty where a person stopped it
