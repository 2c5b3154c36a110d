"""Events and shop reports on their way to the warehouse."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel

from automation.store.tables.column_types import RowId


class Inbox(SQLModel, table=True):
    """Events on their way to the warehouse: durable here first."""

    __table_args__ = (
        Index("ix_inbox_type", "type", "id"),
        Index("ix_inbox_customer", "customer_id", "occurred_at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    event_id: str = Field(unique=True)
    customer_id: str
    type: str
    occurred_at: int = Field(sa_type=BigInteger)
    message_id: str | None = None
    fields: str  # JSON: its other columns and its attributes
    received_at: int = Field(sa_type=BigInteger)
    flush: int | None = Field(default=None, index=True, sa_type=BigInteger)


class ShopReport(SQLModel, table=True):
    """Lines of an export that a shop reported by calling us, until they are imported."""

    __tablename__ = "shop_report"

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    subject: str = Field(unique=True)  # the order, product or customer
    preset: str
    table_name: str
    lines: str  # JSON: list of column -> text
    received_at: int = Field(sa_type=BigInteger)


class Flush(SQLModel, table=True):
    """A numbered move of inbox rows to the warehouse; the Delta commit carries the number."""

    no: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    started_at: int = Field(sa_type=BigInteger)
    finished_at: int | None = Field(default=None, sa_type=BigInteger)
