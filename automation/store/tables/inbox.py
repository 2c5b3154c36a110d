"""Events and shop reports on their way to the warehouse."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, text
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
    """Lines of an export that a shop reported by calling us, until they are imported; then which report it was."""

    __tablename__ = "shop_report"
    __table_args__ = (
        Index(
            "ix_shop_report_waiting",
            "id",
            sqlite_where=text("lines <> ''"),
            postgresql_where=text("lines <> ''"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    subject: str = Field(unique=True)  # a hash of which order, product or customer it is
    preset: str
    table_name: str
    lines: str  # JSON: list of column -> text; "" once they are imported
    received_at: int = Field(sa_type=BigInteger)
    changed_at: int = Field(sa_type=BigInteger)  # when the shop changed it, by the shop's own word
    calls: str  # JSON: hashes of the calls with this instant


class WebhookCall(SQLModel, table=True):
    """A call that counts once, until its proof is no longer accepted."""

    __tablename__ = "webhook_call"

    key: str = Field(primary_key=True)
    expires_at: int | None = Field(default=None, sa_type=BigInteger, index=True)


class Flush(SQLModel, table=True):
    """A numbered move of inbox rows to the warehouse; the Delta commit carries the number."""

    no: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    started_at: int = Field(sa_type=BigInteger)
    finished_at: int | None = Field(default=None, sa_type=BigInteger)
