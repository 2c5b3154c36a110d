"""The processes that deliver, and the rates that they share."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from automation.store.tables.column_types import RowId


class Worker(SQLModel, table=True):
    """A delivering process's life. `pid_started` tells it from a later process with the same number."""

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    host: str
    boot_id: str
    pid: int = Field(sa_type=BigInteger)
    pid_started: str = Field(default="", sa_column_kwargs={"server_default": ""})
    epoch: int = Field(sa_type=BigInteger)
    started_at: int = Field(sa_type=BigInteger)
    ended_at: int | None = Field(default=None, sa_type=BigInteger)


class RateLane(SQLModel, table=True):
    """A rate that messages share: of a provider, a recipient domain or a campaign."""

    __tablename__ = "rate_lane"

    name: str = Field(primary_key=True)
    per_second: float | None = None  # the adaptive rate, while it is below the configured one; else null
    next_at: int = Field(default=0, sa_type=BigInteger)  # microseconds: when the next message may leave
    held_until: int = Field(default=0, sa_type=BigInteger)  # microseconds: nothing leaves before
    changed_at: int = Field(default=0, sa_type=BigInteger)  # microseconds: the last change of `per_second`
    day: str = ""  # the day of `day_count`, in the shop's time zone
    day_count: int = Field(default=0, sa_type=BigInteger)  # messages sent that day, while a provider is warmed up
    silent_since: int = Field(default=0, sa_type=BigInteger)  # microseconds: a provider that answers nothing; else 0
