"""The send ledger: decisions, messages, and what they hold."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, UniqueConstraint, text, true
from sqlmodel import Field, SQLModel

from automation.store.tables.column_types import RowId

_LOST = "reason = 'arbitration_lost'"
_LIVE = "state IN ('queued', 'sending', 'sent', 'ambiguous')"
_QUEUED, _SENDING, _MAYBE = "state = 'queued'", "state = 'sending'", "state = 'ambiguous'"


class Decision(SQLModel, table=True):
    """What was settled for one customer. `entry` is the run, the customer and the subject."""

    __table_args__ = (
        UniqueConstraint("entry", "step", "visit"),
        Index("ix_decision_run", "run_id", "outcome"),
        Index("ix_decision_customer", "customer_id", "campaign"),
        Index("ix_decision_lost", "id", sqlite_where=text(_LOST), postgresql_where=text(_LOST)),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    entry: str
    step: str = ""
    visit: int = 0
    run_id: int = Field(sa_type=BigInteger)
    batch_no: int = Field(sa_type=BigInteger)
    campaign: str
    customer_id: str
    outcome: str
    reason: str
    detail: str = ""
    variant: str | None = None
    offer: str | None = None
    items: str = "[]"  # JSON: product_id, score, reason, because, by
    propensities: str = "{}"  # JSON: the whole distribution that was drawn from
    # JSON: earlier channels of the campaign that can't reach the customer, each with its reason code
    passed_over: str = Field(default="{}", sa_column_kwargs={"server_default": "{}"})
    decided_at: int = Field(sa_type=BigInteger)


class Message(SQLModel, table=True):
    """A decision's row for one channel: what never changes about it. Ids begin with the run and the batch."""

    __table_args__ = (
        UniqueConstraint("decision_id", "channel"),
        Index("ix_message_recipient", "run_id", "recipient"),
    )

    id: str = Field(primary_key=True)
    decision_id: int = Field(sa_type=BigInteger)
    run_id: int = Field(sa_type=BigInteger)
    batch_no: int = Field(sa_type=BigInteger)
    customer_id: str
    channel: str
    topic: str
    address: str
    recipient: str = Field(default="", sa_column_kwargs={"server_default": ""})  # the address as it is compared
    quiet_hours: str | None = None  # such as `20:00-09:00`, on the clock of `quiet_zone`
    quiet_zone: str | None = None
    template: str
    context: str  # JSON


class MessageStatus(SQLModel, table=True):
    """What changes about a message. A narrow table, since every attempt writes its row twice."""

    __tablename__ = "message_status"
    __table_args__ = (
        Index("ix_message_live", "decision_id", unique=True, sqlite_where=text(_LIVE), postgresql_where=text(_LIVE)),
        Index("ix_message_due", "queue", "due_at", sqlite_where=text(_QUEUED), postgresql_where=text(_QUEUED)),
        Index("ix_message_worker", "worker_id", sqlite_where=text(_SENDING), postgresql_where=text(_SENDING)),
        Index("ix_message_ambiguous", "settled_at", sqlite_where=text(_MAYBE), postgresql_where=text(_MAYBE)),
        {"sqlite_with_rowid": False},
    )

    message_id: str = Field(primary_key=True)
    decision_id: int = Field(sa_type=BigInteger)
    run_id: int = Field(sa_type=BigInteger)
    queue: str  # where it waits: channel, run and, where many share it, the recipient's domain
    due_at: int = Field(sa_type=BigInteger)
    expires_at: int | None = Field(default=None, sa_type=BigInteger)
    state: str
    attempt: int = 0
    provider: int = Field(default=0, sa_column_kwargs={"server_default": "0"})  # of the channel: 1 is the other one
    worker_id: int | None = Field(default=None, sa_type=BigInteger)
    granted_at: int | None = Field(default=None, sa_type=BigInteger)
    settled_at: int | None = Field(default=None, sa_type=BigInteger)
    provider_id: str | None = None
    reason: str | None = None
    # whether its opens and clicks were counted when it was granted, as far as that needs a consent
    tracked: bool = Field(default=True, sa_column_kwargs={"server_default": true()})


class CapEntry(SQLModel, table=True):
    """What counts for caps and for re-entry: a message promised to a customer."""

    __tablename__ = "cap_entry"
    __table_args__ = (
        Index("ix_cap_entry_customer", "customer_id", "at"),
        Index("ix_cap_entry_recipient", "recipient", "at"),
    )

    message_id: str = Field(primary_key=True)
    customer_id: str
    recipient: str = Field(
        default="", sa_column_kwargs={"server_default": ""}
    )  # the address as it is compared: ids that share it are one person
    channel: str
    topic: str
    campaign: str
    at: int = Field(sa_type=BigInteger)
    priority: int = Field(default=50, sa_column_kwargs={"server_default": "50"})  # its campaign's, for arbitration
    expected_value: float | None = None  # what the offer policy expects of it
    wait_until: int | None = Field(default=None, sa_type=BigInteger)  # how far it may be deferred; none: not at all


class Coupon(SQLModel, table=True):
    """A code promised to one message; never given again while it may have been read."""

    code: str = Field(primary_key=True)
    message_id: str = Field(unique=True)
    offer: str
    campaign: str
    state: str  # reserved, confirmed, released


class Seed(SQLModel, table=True):
    """A copy of a run's message for an address of the seed list, written down before it leaves: at most one each."""

    run_id: int = Field(primary_key=True, sa_type=BigInteger)
    address: str = Field(primary_key=True)
    variant: str = Field(primary_key=True)  # "" where there is none
    language: str = Field(primary_key=True)
    at: int = Field(sa_type=BigInteger)
    verdict: str = ""  # what the channel answered
