"""What was launched, pinned by content hash."""

from __future__ import annotations

from sqlalchemy import BigInteger, LargeBinary
from sqlmodel import Field, SQLModel

from automation.store.tables.column_types import RowId


class Content(SQLModel, table=True):
    """The files that launches pinned, by their SHA-256."""

    sha256: str = Field(primary_key=True)
    body: bytes = Field(sa_type=LargeBinary)


class Launch(SQLModel, table=True):
    """A launched campaign: the hashes of its file and templates, and the versions of its plugins."""

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    campaign: str = Field(index=True)
    launched_at: int = Field(sa_type=BigInteger)
    launched_by: str
    approved_by: str | None = None
    campaign_sha256: str
    templates: str  # JSON: path -> sha256
    plugins: str  # JSON: name -> version
    audience: int | None = Field(default=None, sa_type=BigInteger)  # the planned size when it was launched
    on_ambiguous: str = Field(default="hold", sa_column_kwargs={"server_default": "hold"})  # or resend, resolve
    ended_at: int | None = Field(default=None, sa_type=BigInteger)
