"""Runs and their batches."""

from __future__ import annotations

from sqlalchemy import BigInteger, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from automation.store.tables.column_types import RowId


class Run(SQLModel, table=True):
    """One execution of a campaign; the unique due key makes it exist once."""

    __table_args__ = (UniqueConstraint("campaign", "kind", "due_key"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    campaign: str
    kind: str
    due_key: str
    due_at: int = Field(sa_type=BigInteger)
    as_of: int | None = Field(default=None, sa_type=BigInteger)
    launch_id: int = Field(sa_type=BigInteger)
    state: str
    audience: int | None = Field(default=None, sa_type=BigInteger)
    created_at: int = Field(sa_type=BigInteger)
    finished_at: int | None = Field(default=None, sa_type=BigInteger)
    versions: str = "{}"  # JSON: the warehouse's version and each model's
    offer_plan: str = "{}"
    error: str | None = None
    hold: str | None = None  # JSON: guard, what, since; while a guard holds it
    released_by: str = Field(default="{}", sa_column_kwargs={"server_default": "{}"})  # JSON: guard -> who released it
    test: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})  # planned under redirect_all


class Batch(SQLModel, table=True):
    """About a thousand members of a run, planned together. `members` is the truth about the run's audience."""

    run_id: int = Field(primary_key=True, sa_type=BigInteger)
    no: int = Field(primary_key=True, sa_type=BigInteger)
    members: bytes = Field(sa_type=LargeBinary)  # JSON list of customer ids, deflated
    n: int = Field(sa_type=BigInteger)
    state: str  # frozen, planned
    epoch: int = Field(default=0, sa_type=BigInteger)
    content: str = "{}"  # JSON: what its messages show; `messages.batch_content`
