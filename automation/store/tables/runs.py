"""Runs and their batches."""

from __future__ import annotations

from sqlalchemy import BigInteger, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel


class Run(SQLModel, table=True):
    """One execution of a campaign; the unique due key makes it exist once."""

    __table_args__ = (UniqueConstraint("campaign", "kind", "due_key"),)

    id: int | None = Field(default=None, primary_key=True)
    campaign: str
    kind: str
    due_key: str
    due_at: int = Field(sa_type=BigInteger)
    as_of: int | None = Field(default=None, sa_type=BigInteger)
    launch_id: int
    state: str
    audience: int | None = None
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

    run_id: int = Field(primary_key=True)
    no: int = Field(primary_key=True)
    members: bytes = Field(sa_type=LargeBinary)  # JSON list of customer ids, deflated
    n: int
    state: str  # frozen, planned
    epoch: int = 0
    content: str = "{}"  # JSON: what its messages show; `messages.batch_content`
