"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

STATUS_INDEXES = (
    ("ix_message_live", ["decision_id"], True, "state IN ('queued', 'sending', 'sent', 'ambiguous')"),
    ("ix_message_due", ["queue", "due_at"], False, "state = 'queued'"),
    ("ix_message_worker", ["worker_id"], False, "state = 'sending'"),
    ("ix_message_ambiguous", ["settled_at"], False, "state = 'ambiguous'"),
)
ENTRY_INDEXES = (
    ("ix_entry_due", ["run_id", "due_at"], False, "ended_at IS NULL"),
    ("ix_entry_open", ["customer_id", "campaign", "subject"], True, "ended_at IS NULL"),
    ("ix_entry_past", ["customer_id", "campaign", "subject"], False, "ended_at IS NOT NULL"),
    ("ix_entry_waits", ["message_id"], False, "ended_at IS NULL AND message_id IS NOT NULL"),
)


def upgrade() -> None:  # noqa: PLR0915  # a statement for each table and index
    op.create_table(
        "shop_report",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("preset", sa.String(), nullable=False),
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("lines", sa.String(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("subject"),
    )
    with op.batch_alter_table("shop_report", schema=None) as batch_op:
        batch_op.create_index(
            "ix_shop_report_waiting",
            ["id"],
            unique=False,
            sqlite_where=sa.text("lines <> ''"),
            postgresql_where=sa.text("lines <> ''"),
        )

    op.create_table(
        "webhook_call",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key"),
    )
    with op.batch_alter_table("webhook_call", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webhook_call_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "batch",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("no", sa.BigInteger(), nullable=False),
        sa.Column("members", sa.LargeBinary(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "no"),
    )
    op.create_table(
        "consent",
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "channel", "topic"),
    )
    op.create_table(
        "consent_record",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("text_version", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("consent_record", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consent_record_address"), ["address"], unique=False)
        batch_op.create_index(batch_op.f("ix_consent_record_customer_id"), ["customer_id"], unique=False)

    op.create_table(
        "consent_request",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("text_version", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.Column("asked_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("consent_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consent_request_message_id"), ["message_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_consent_request_recipient"), ["recipient"], unique=False)
        batch_op.create_index(
            "ix_consent_request_open",
            ["customer_id", "channel", "topic"],
            unique=True,
            sqlite_where=sa.text("state IN ('pending', 'asked')"),
            postgresql_where=sa.text("state IN ('pending', 'asked')"),
        )

    op.create_table(
        "cap_entry",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), server_default="", nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("campaign", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="50", nullable=False),
        sa.Column("expected_value", sa.Float(), nullable=True),
        sa.Column("wait_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("message_id"),
    )
    with op.batch_alter_table("cap_entry", schema=None) as batch_op:
        batch_op.create_index("ix_cap_entry_customer", ["customer_id", "at"], unique=False)
        batch_op.create_index("ix_cap_entry_recipient", ["recipient", "at"], unique=False)

    op.create_table(
        "content",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_table(
        "pause",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("scope"),
    )
    op.create_table(
        "coupon",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("offer", sa.String(), nullable=False),
        sa.Column("campaign", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("code"),
        sa.UniqueConstraint("message_id"),
    )
    op.create_table(
        "decision",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("entry", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_no", sa.BigInteger(), nullable=False),
        sa.Column("campaign", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=True),
        sa.Column("offer", sa.String(), nullable=True),
        sa.Column("items", sa.String(), nullable=False),
        sa.Column("propensities", sa.String(), nullable=False),
        sa.Column("passed_over", sa.String(), server_default="{}", nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("entry", "step", "visit"),
    )
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.create_index("ix_decision_customer", ["customer_id", "campaign"], unique=False)
        batch_op.create_index(
            "ix_decision_lost",
            ["id"],
            unique=False,
            sqlite_where=sa.text("reason = 'arbitration_lost'"),
            postgresql_where=sa.text("reason = 'arbitration_lost'"),
        )
        batch_op.create_index("ix_decision_run", ["run_id", "outcome"], unique=False)

    op.create_table(
        "fact",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "worker",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("boot_id", sa.String(), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("pid_started", sa.String(), server_default="", nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "flush",
        sa.Column("no", ROW_ID, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("no"),
    )
    op.create_table(
        "inbox",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.Column("fields", sa.String(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("flush", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("event_id"),
    )
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index("ix_inbox_customer", ["customer_id", "occurred_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_inbox_flush"), ["flush"], unique=False)
        batch_op.create_index("ix_inbox_type", ["type", "id"], unique=False)

    op.create_table(
        "rate_lane",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("per_second", sa.Float(), nullable=True),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("held_until", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("day_count", sa.BigInteger(), nullable=False),
        sa.Column("silent_since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "launch",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("campaign", sa.String(), nullable=False),
        sa.Column("launched_at", sa.BigInteger(), nullable=False),
        sa.Column("launched_by", sa.String(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("campaign_sha256", sa.String(), nullable=False),
        sa.Column("templates", sa.String(), nullable=False),
        sa.Column("plugins", sa.String(), nullable=False),
        sa.Column("audience", sa.BigInteger(), nullable=True),
        sa.Column("on_ambiguous", sa.String(), server_default="hold", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("launch", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_launch_campaign"), ["campaign"], unique=False)

    op.create_table(
        "message",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("decision_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_no", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), server_default="", nullable=False),
        sa.Column("quiet_hours", sa.String(), nullable=True),
        sa.Column("quiet_zone", sa.String(), nullable=True),
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("context", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("decision_id", "channel"),
    )
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.create_index("ix_message_recipient", ["run_id", "recipient"], unique=False)

    op.create_table(
        "message_status",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("decision_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker_id", sa.BigInteger(), nullable=True),
        sa.Column("granted_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("provider_id", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("tracked", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.PrimaryKeyConstraint("message_id"),
        sqlite_with_rowid=False,
    )
    for name, columns, unique, where in STATUS_INDEXES:
        clause = sa.text(where)
        op.create_index(name, "message_status", columns, unique=unique, sqlite_where=clause, postgresql_where=clause)

    op.create_table(
        "model_version",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("fitted_at", sa.BigInteger(), nullable=False),
        sa.Column("admitted", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("card", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version"),
    )
    op.create_table(
        "import",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("files", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("version_before", sa.BigInteger(), nullable=False),
        sa.Column("version_after", sa.BigInteger(), nullable=False),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.Column("undone_by", sa.String(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "migration",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "run",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("campaign", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("due_key", sa.String(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=True),
        sa.Column("launch_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("audience", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("versions", sa.String(), nullable=False),
        sa.Column("offer_plan", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("hold", sa.String(), nullable=True),
        sa.Column("released_by", sa.String(), server_default="{}", nullable=False),
        sa.Column("test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("campaign", "kind", "due_key"),
    )
    op.create_table(
        "entry",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("campaign", sa.String(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), server_default="", nullable=False),
        sa.Column("step", sa.String(), server_default="", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("entered_at", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.Column("heard", sa.String(), server_default="", nullable=False),
        sa.Column("path", sa.String(), server_default="", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    for name, columns, unique, where in ENTRY_INDEXES:
        clause = sa.text(where)
        op.create_index(name, "entry", columns, unique=unique, sqlite_where=clause, postgresql_where=clause)

    op.create_table(
        "seed",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "address", "variant", "language"),
    )
    op.create_table(
        "suppression",
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("address", "channel", "topic"),
    )


def downgrade() -> None:  # noqa: PLR0915
    op.drop_table("suppression")
    op.drop_table("seed")
    op.drop_table("entry")
    op.drop_table("run")
    op.drop_table("migration")
    op.drop_table("import")
    op.drop_table("model_version")
    for name, *_ in STATUS_INDEXES:
        op.drop_index(name, "message_status")
    op.drop_table("message_status")
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.drop_index("ix_message_recipient")

    op.drop_table("message")
    with op.batch_alter_table("launch", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_launch_campaign"))

    op.drop_table("launch")
    op.drop_table("rate_lane")
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.drop_index("ix_inbox_type")
        batch_op.drop_index(batch_op.f("ix_inbox_flush"))
        batch_op.drop_index("ix_inbox_customer")

    op.drop_table("inbox")
    with op.batch_alter_table("webhook_call", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webhook_call_expires_at"))

    op.drop_table("webhook_call")
    with op.batch_alter_table("shop_report", schema=None) as batch_op:
        batch_op.drop_index("ix_shop_report_waiting")

    op.drop_table("shop_report")
    op.drop_table("flush")
    op.drop_table("worker")
    op.drop_table("fact")
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.drop_index("ix_decision_run")
        batch_op.drop_index(
            "ix_decision_lost",
            sqlite_where=sa.text("reason = 'arbitration_lost'"),
            postgresql_where=sa.text("reason = 'arbitration_lost'"),
        )
        batch_op.drop_index("ix_decision_customer")

    op.drop_table("decision")
    op.drop_table("coupon")
    op.drop_table("pause")
    op.drop_table("content")
    with op.batch_alter_table("cap_entry", schema=None) as batch_op:
        batch_op.drop_index("ix_cap_entry_recipient")
        batch_op.drop_index("ix_cap_entry_customer")

    op.drop_table("cap_entry")
    with op.batch_alter_table("consent_request", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_consent_request_open",
            sqlite_where=sa.text("state IN ('pending', 'asked')"),
            postgresql_where=sa.text("state IN ('pending', 'asked')"),
        )
        batch_op.drop_index(batch_op.f("ix_consent_request_recipient"))
        batch_op.drop_index(batch_op.f("ix_consent_request_message_id"))

    op.drop_table("consent_request")
    with op.batch_alter_table("consent_record", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_consent_record_customer_id"))
        batch_op.drop_index(batch_op.f("ix_consent_record_address"))

    op.drop_table("consent_record")
    op.drop_table("consent")
    op.drop_table("batch")
