"""What was imported into the warehouse by hand."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from automation.store.tables.column_types import RowId


class Import(SQLModel, table=True):
    """One import, with the table's versions before and after it, by which it can be undone."""

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    target: str  # customers, products or events
    files: str  # their names, as a JSON list
    by: str
    at: int = Field(sa_type=BigInteger)
    rows: int = Field(sa_type=BigInteger)  # added or updated
    version_before: int = Field(sa_type=BigInteger)  # -1: the table did not exist
    version_after: int = Field(sa_type=BigInteger)
    undone_at: int | None = Field(default=None, sa_type=BigInteger)
    undone_by: str = Field(default="", sa_column_kwargs={"server_default": ""})
