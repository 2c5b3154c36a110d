"""Single facts about the store itself."""

from __future__ import annotations

from sqlmodel import Field, SQLModel


class Fact(SQLModel, table=True):
    """A named value, such as the committer's epoch, or the fingerprint of the signing keys."""

    key: str = Field(primary_key=True)
    value: str
