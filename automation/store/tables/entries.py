"""People in journeys."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field, SQLModel

from automation.store.tables.column_types import RowId

_OPEN, _PAST = "ended_at IS NULL", "ended_at IS NOT NULL"
_WAITS = "ended_at IS NULL AND message_id IS NOT NULL"


class Entry(SQLModel, table=True):
    """One person in a campaign, for one subject, while it may still change and for a while afterwards.

    run_id: the standing run of the launch, and with it the version of the file. The columns are those of
    `types.entry.ENTRY_COLUMNS`.
    """

    __table_args__ = (
        Index("ix_entry_due", "run_id", "due_at", sqlite_where=text(_OPEN), postgresql_where=text(_OPEN)),
        Index(
            "ix_entry_open", "customer_id", "campaign", "subject", unique=True,
            sqlite_where=text(_OPEN), postgresql_where=text(_OPEN),
        ),
        Index(
            "ix_entry_past", "customer_id", "campaign", "subject",
            sqlite_where=text(_PAST), postgresql_where=text(_PAST),
        ),
        Index("ix_entry_waits", "message_id", sqlite_where=text(_WAITS), postgresql_where=text(_WAITS)),
    )  # fmt: skip

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    campaign: str
    run_id: int = Field(sa_type=BigInteger)
    customer_id: str
    subject: str = Field(default="", sa_column_kwargs={"server_default": ""})
    step: str = Field(default="", sa_column_kwargs={"server_default": ""})
    due_at: int | None = Field(default=None, sa_type=BigInteger)
    since: int | None = Field(default=None, sa_type=BigInteger)
    entered_at: int = Field(sa_type=BigInteger)
    cause: str
    message_id: str | None = None
    heard: str = Field(default="", sa_column_kwargs={"server_default": ""})
    path: str = Field(default="", sa_column_kwargs={"server_default": ""})
    ended_at: int | None = Field(default=None, sa_type=BigInteger)
    ended: str | None = None
