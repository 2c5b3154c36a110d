"""Consent, suppressions, and the migration from another tool."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field, SQLModel

from automation.store.tables.column_types import RowId

_OPEN_REQUEST = "state IN ('pending', 'asked')"


class Consent(SQLModel, table=True):
    """The latest consent record of a customer for one channel and topic."""

    customer_id: str = Field(primary_key=True)
    channel: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    granted: bool
    at: int = Field(sa_type=BigInteger)
    source: str
    agreed: bool  # whether it was ever given: a no is a withdrawal then, and else a refusal


class ConsentRecord(SQLModel, table=True):
    """Every consent record, in the order of recording: the proof."""

    __tablename__ = "consent_record"

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    customer_id: str = Field(index=True)
    channel: str
    topic: str
    granted: bool
    at: int = Field(sa_type=BigInteger)
    source: str
    text_version: str = ""
    method: str = ""  # how it was given: form, checkout, double opt-in, unsubscribe link, import, by hand
    recorded_by: str = ""  # the person or program that recorded it
    recorded_at: int = Field(default=0, sa_type=BigInteger)
    address: str = Field(default="", index=True)  # normalised; empty if it was not known


class ConsentRequest(SQLModel, table=True):
    """A consent that grants nothing until the owner of the address confirms it (double opt-in)."""

    __tablename__ = "consent_request"
    __table_args__ = (
        Index(
            "ix_consent_request_open",
            "customer_id",
            "channel",
            "topic",
            unique=True,
            sqlite_where=text(_OPEN_REQUEST),
            postgresql_where=text(_OPEN_REQUEST),
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    customer_id: str
    channel: str
    topic: str
    address: str  # as it was given
    recipient: str = Field(index=True)  # the address as it is compared
    language: str = ""
    requested_at: int = Field(sa_type=BigInteger)
    source: str
    method: str = ""
    text_version: str = ""
    state: str  # pending, asked, confirmed, withdrawn, expired, refused
    message_id: str | None = Field(default=None, index=True)  # the message that asks for it
    asked_at: int | None = Field(default=None, sa_type=BigInteger)  # when that was made, of the request it was made for
    settled_at: int | None = Field(default=None, sa_type=BigInteger)


class Suppression(SQLModel, table=True):
    """An address that gets nothing, or nothing of one topic."""

    address: str = Field(primary_key=True)  # normalised; `@example.org` is a whole domain
    channel: str = Field(primary_key=True)  # "" is every channel
    topic: str = Field(primary_key=True)  # "" is every topic
    reason: str
    at: int = Field(sa_type=BigInteger)
    source: str


class Migration(SQLModel, table=True):
    """One import from the previous tool, or the confirmation that there is nothing to import."""

    __tablename__ = "migration"

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    what: str  # suppressions, consents, sends, nothing
    by: str
    at: int = Field(sa_type=BigInteger)
    detail: str  # the file's name and mapping; of a confirmation, the reason
    sha256: str = ""
    rows: int = Field(default=0, sa_type=BigInteger)
