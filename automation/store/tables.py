"""The store's tables. Instants are integers: milliseconds since 1970 in UTC. Structured values are JSON text.

`automation/store/migrations` creates them; a test holds the two against each other.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

_LIVE = "state IN ('queued', 'sending', 'sent', 'ambiguous')"
_OPEN_REQUEST = "state IN ('pending', 'asked')"


class Fact(SQLModel, table=True):
    """Single facts about the store itself, such as the secret that message ids are made with."""

    key: str = Field(primary_key=True)
    value: str


class Content(SQLModel, table=True):
    """LaunchedCampaign files by their SHA-256."""

    sha256: str = Field(primary_key=True)
    body: bytes = Field(sa_type=LargeBinary)


class Launch(SQLModel, table=True):
    """A campaign as it was launched: its file, its templates and the plugins' versions, by hash."""

    id: int | None = Field(default=None, primary_key=True)
    campaign: str = Field(index=True)
    launched_at: int = Field(sa_type=BigInteger)
    launched_by: str
    approved_by: str | None = None
    campaign_sha256: str
    templates: str  # JSON: path -> sha256
    plugins: str  # JSON: name -> version
    audience: int | None = None  # as planned when it was launched
    on_ambiguous: str = Field(default="hold", sa_column_kwargs={"server_default": "hold"})  # or resend, resolve
    ended_at: int | None = Field(default=None, sa_type=BigInteger)


class Control(SQLModel, table=True):
    """What was stopped: a campaign by name, a channel (`channel:email`), or everything (`*`)."""

    scope: str = Field(primary_key=True)
    stopped_at: int = Field(sa_type=BigInteger)
    stopped_by: str
    reason: str = Field(default="", sa_column_kwargs={"server_default": ""})  # why the daemon paused it by itself


class Consent(SQLModel, table=True):
    """The latest word of a customer on one channel and topic."""

    customer_id: str = Field(primary_key=True)
    channel: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    granted: bool
    at: int = Field(sa_type=BigInteger)
    source: str
    text_version: str = ""


class ConsentRecord(SQLModel, table=True):
    """Every word ever recorded, in order: the proof."""

    __tablename__ = "consent_record"

    id: int | None = Field(default=None, primary_key=True)
    customer_id: str = Field(index=True)
    channel: str
    topic: str
    granted: bool
    at: int = Field(sa_type=BigInteger)
    source: str
    text_version: str = ""
    method: str = ""  # how it was given: form, checkout, double opt-in, unsubscribe link, import, by hand
    recorded_by: str = ""  # who or what wrote it down
    recorded_at: int = Field(default=0, sa_type=BigInteger)
    address: str = Field(default="", index=True)  # normalised, where it was known


class ConsentRequest(SQLModel, table=True):
    """A consent that grants nothing before its owner confirms it (double opt-in)."""

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

    id: int | None = Field(default=None, primary_key=True)
    customer_id: str
    channel: str
    topic: str
    address: str  # as it was given
    language: str = ""
    requested_at: int = Field(sa_type=BigInteger)
    source: str
    method: str = ""
    text_version: str = ""
    state: str  # pending, asked, confirmed, expired, withdrawn
    message_id: str | None = Field(default=None, index=True)  # the message that asks for it
    settled_at: int | None = Field(default=None, sa_type=BigInteger)


class Suppression(SQLModel, table=True):
    """An address that nothing may be sent to, or nothing of one topic."""

    address: str = Field(primary_key=True)  # normalised; `@example.org` is a whole domain
    channel: str = Field(primary_key=True)  # "" is every channel
    topic: str = Field(primary_key=True)  # "" is every topic
    reason: str
    at: int = Field(sa_type=BigInteger)
    source: str


class Migration(SQLModel, table=True):
    """A file brought over from the sender used before, or the waiver of that."""

    __tablename__ = "migration"

    id: int | None = Field(default=None, primary_key=True)
    what: str  # suppressions, consents, contacts, waived
    by: str
    at: int = Field(sa_type=BigInteger)
    detail: str  # the file's name and mapping; of a waiver, the reason
    sha256: str = ""
    rows: int = 0


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
    versions: str = "{}"  # JSON: warehouse version and each model's
    offer_plan: str = "{}"
    error: str | None = None
    hold: str | None = None  # JSON: guard, what, since; while it is held
    confirmed: str = Field(default="{}", sa_column_kwargs={"server_default": "{}"})  # JSON: guard -> by whom
    test: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})  # planned under redirect_all


class Batch(SQLModel, table=True):
    """About a thousand members of a run, planned together; `members` is the truth of who is in it."""

    run_id: int = Field(primary_key=True)
    no: int = Field(primary_key=True)
    members: bytes = Field(sa_type=LargeBinary)  # JSON list of customer ids, deflated
    n: int
    state: str
    owner: str | None = None
    epoch: int = 0
    lease_until: int | None = Field(default=None, sa_type=BigInteger)
    content: str = "{}"  # JSON: what its messages show; `messages.batch_content`


class Decision(SQLModel, table=True):
    """What was settled for one customer. `entry` is the run, the customer and the subject."""

    __table_args__ = (
        UniqueConstraint("entry", "step", "visit"),
        Index("ix_decision_run", "run_id", "outcome"),
        Index("ix_decision_customer", "customer_id", "campaign"),
    )

    id: int | None = Field(default=None, primary_key=True)
    entry: str
    step: str = ""
    visit: int = 0
    run_id: int
    batch_no: int
    campaign: str
    customer_id: str
    outcome: str
    reason: str
    detail: str = ""
    variant: str | None = None
    offer: str | None = None
    items: str = "[]"  # JSON: product_id, score, reason, because, by
    propensities: str = "{}"  # JSON: the whole distribution that was drawn from
    decided_at: int = Field(sa_type=BigInteger)


class Message(SQLModel, table=True):
    """A decision's row for one channel."""

    __table_args__ = (
        UniqueConstraint("decision_id", "channel"),
        Index(
            "ix_message_live",
            "decision_id",
            unique=True,
            sqlite_where=text(_LIVE),
            postgresql_where=text(_LIVE),
        ),
        Index(
            "ix_message_due",
            "queue",
            "due_at",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "ix_message_worker",
            "worker_id",
            sqlite_where=text("state = 'sending'"),
            postgresql_where=text("state = 'sending'"),
        ),
        Index(
            "ix_message_ambiguous",
            "settled_at",
            sqlite_where=text("state = 'ambiguous'"),
            postgresql_where=text("state = 'ambiguous'"),
        ),
        Index("ix_message_run", "run_id", "state"),
        Index("ix_message_recipient", "recipient", "run_id"),
    )

    id: str = Field(primary_key=True)
    decision_id: int
    run_id: int
    batch_no: int
    customer_id: str
    channel: str
    topic: str
    address: str
    recipient: str = Field(default="", sa_column_kwargs={"server_default": ""})  # the address as it is compared
    queue: str  # where that it waits in: channel, run and, where many share it, the recipient's domain
    due_at: int = Field(sa_type=BigInteger)
    expires_at: int | None = Field(default=None, sa_type=BigInteger)
    quiet_from: int | None = Field(default=None, sa_type=BigInteger)  # the first quiet hours after it is due
    quiet_until: int | None = Field(default=None, sa_type=BigInteger)
    state: str
    attempt: int = 0
    provider: int = Field(default=0, sa_column_kwargs={"server_default": "0"})  # of the channel: 1 is the other one
    worker_id: int | None = None
    granted_at: int | None = Field(default=None, sa_type=BigInteger)
    settled_at: int | None = Field(default=None, sa_type=BigInteger)
    provider_id: str | None = None
    reason: str | None = None
    template: str
    context: str  # JSON


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


class Seed(SQLModel, table=True):
    """A copy of a run's message for an address of the seed list, written down before it leaves: at most one each."""

    run_id: int = Field(primary_key=True)
    address: str = Field(primary_key=True)
    variant: str = Field(primary_key=True)  # "" where there is none
    language: str = Field(primary_key=True)
    at: int = Field(sa_type=BigInteger)
    verdict: str = ""  # what the channel answered


class Coupon(SQLModel, table=True):
    """A code promised to one message; never given again while it may have been read."""

    code: str = Field(primary_key=True)
    message_id: str = Field(unique=True)
    offer: str
    campaign: str
    state: str  # reserved, confirmed, released
    valid_until: int | None = Field(default=None, sa_type=BigInteger)


class Worker(SQLModel, table=True):
    """A delivering process's life. `pid_started` tells it from a later process with the same number."""

    id: int | None = Field(default=None, primary_key=True)
    host: str
    boot_id: str
    pid: int
    pid_started: str = Field(default="", sa_column_kwargs={"server_default": ""})
    epoch: int
    started_at: int = Field(sa_type=BigInteger)
    lease_until: int | None = Field(default=None, sa_type=BigInteger)
    ended_at: int | None = Field(default=None, sa_type=BigInteger)


class RateLane(SQLModel, table=True):
    """A rate that messages share: of a provider, a recipient's domain or a campaign."""

    __tablename__ = "rate_lane"

    name: str = Field(primary_key=True)
    per_second: float | None = None  # the pace now, where it is slower than what the files allow; None is theirs
    next_at: int = Field(default=0, sa_type=BigInteger)  # microseconds: when the next message may leave
    held_until: int = Field(default=0, sa_type=BigInteger)  # microseconds: nothing leaves before
    changed_at: int = Field(default=0, sa_type=BigInteger)  # microseconds: when the pace was changed last
    day: str = ""  # the day of `day_count`, in the shop's time zone
    day_count: int = 0  # how many left on it, while a provider is warmed up


class Budget(SQLModel, table=True):
    """Money promised and spent by a campaign in one period."""

    campaign: str = Field(primary_key=True)
    period: str = Field(primary_key=True)
    cap: int | None = None  # hundredths
    reserved: int = 0
    spent: int = 0


class ModelVersion(SQLModel, table=True):
    """A fitted model's card; `active` is the one that runs use."""

    __tablename__ = "model_version"

    name: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    fitted_at: int = Field(sa_type=BigInteger)
    admitted: bool
    active: bool
    card: str


class Inbox(SQLModel, table=True):
    """Events on their way to the warehouse: durable here first."""

    id: int | None = Field(default=None, primary_key=True)
    event_id: str = Field(unique=True)
    body: str  # JSON
    received_at: int = Field(sa_type=BigInteger)
    flush: int | None = Field(default=None, index=True)


class ShopReport(SQLModel, table=True):
    """Lines of an export that a shop reported by calling us, until they are imported."""

    __tablename__ = "shop_report"

    id: int | None = Field(default=None, primary_key=True)
    about: str = Field(unique=True)  # the order, product or customer
    preset: str
    table_name: str
    lines: str  # JSON: list of column -> text
    received_at: int = Field(sa_type=BigInteger)


class Flush(SQLModel, table=True):
    """A numbered move of inbox rows to the warehouse; the Delta commit carries the number."""

    no: int | None = Field(default=None, primary_key=True)
    started_at: int = Field(sa_type=BigInteger)
    finished_at: int | None = Field(default=None, sa_type=BigInteger)
