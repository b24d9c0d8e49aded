"""Answers, reminders, feeds, busy times, and who was last told what.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


WHAT_IS_CARRIED_OVER = (
    # The state is left empty: what they know cannot be told any more, so the next change is sent.
    """INSERT INTO told (appointment_id, audience, practitioner_id, stamped_at, sequence)
    SELECT id, 'patient', 0, told_at, told_sequence
    FROM appointment WHERE told_at IS NOT NULL""",
    """INSERT INTO told (appointment_id, audience, practitioner_id, stamped_at, sequence)
    SELECT outbox.appointment_id, outbox.audience,
        CASE WHEN outbox.audience = 'practitioner' THEN appointment.practitioner_id ELSE 0 END,
        max(outbox.sent_at), max(outbox.sequence)
    FROM outbox JOIN appointment ON appointment.id = outbox.appointment_id
    WHERE outbox.sent_at IS NOT NULL AND outbox.audience <> 'patient'
    GROUP BY outbox.appointment_id, outbox.audience,
        CASE WHEN outbox.audience = 'practitioner' THEN appointment.practitioner_id ELSE 0 END""",
    "INSERT INTO service_reminder SELECT id, 2880, 'always' FROM healthcare_service",
    "INSERT INTO service_reminder SELECT id, 120, 'always' FROM healthcare_service",
)
WHO_IT_WAS_FOR = """UPDATE outbox SET practitioner_id =
    (SELECT practitioner_id FROM appointment WHERE appointment.id = outbox.appointment_id)
    WHERE audience = 'practitioner'"""
WHAT_IS_CARRIED_BACK = """UPDATE appointment SET
    told_at = (SELECT stamped_at FROM told
        WHERE appointment_id = appointment.id AND audience = 'patient'),
    told_sequence = (SELECT sequence FROM told
        WHERE appointment_id = appointment.id AND audience = 'patient')"""
UNKNOWN_TO_THE_FIRST_SCHEMA = """SELECT outbox.id FROM outbox
    JOIN appointment ON appointment.id = outbox.appointment_id
    WHERE outbox.kind NOT IN ('confirmed', 'rescheduled', 'cancelled')
        OR outbox.practitioner_id <> appointment.practitioner_id"""


def carry_over() -> None:
    """Who was told what moves into a table of its own; services get the usual reminders."""
    for statement in WHAT_IS_CARRIED_OVER:
        op.execute(statement)


def upgrade() -> None:
    op.create_table(
        "reply_mailbox",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("uid_validity", sa.Integer(), nullable=False),
        sa.Column("last_uid", sa.Integer(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_reply_mailbox")),
    )
    op.create_table(
        "busy_calendar",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("resource_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("sealed_url", sa.LargeBinary(), nullable=False),
        sa.Column("etag", sa.String(length=200), nullable=False),
        sa.Column("last_modified", sa.String(length=100), nullable=False),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["resource_id"],
            ["resource.id"],
            name=op.f("fk_busy_calendar_resource_id_resource"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_busy_calendar")),
    )
    with op.batch_alter_table("busy_calendar", schema=None) as batch_op:
        batch_op.create_index("ix_busy_calendar_next_check_at", ["next_check_at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_busy_calendar_resource_id"), ["resource_id"], unique=False
        )

    op.create_table(
        "feed",
        sa.Column("resource_id", sa.Integer(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["resource_id"],
            ["resource.id"],
            name=op.f("fk_feed_resource_id_resource"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("resource_id", name=op.f("pk_feed")),
        sa.UniqueConstraint("digest", name=op.f("uq_feed_digest")),
    )
    op.create_table(
        "service_reminder",
        sa.Column("service_id", sa.Integer(), nullable=False),
        sa.Column("before", sa.Integer(), nullable=False),
        sa.Column("remind_if", sa.String(length=16), nullable=False),
        sa.CheckConstraint("before > 0", name=op.f("ck_service_reminder_beforehand")),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["healthcare_service.id"],
            name=op.f("fk_service_reminder_service_id_healthcare_service"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("service_id", "before", name=op.f("pk_service_reminder")),
    )
    op.create_table(
        "busy_time",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("calendar_id", sa.Integer(), nullable=False),
        sa.Column("resource_id", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_busy_time_in_order")),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["busy_calendar.id"],
            name=op.f("fk_busy_time_calendar_id_busy_calendar"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"],
            ["resource.id"],
            name=op.f("fk_busy_time_resource_id_resource"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_busy_time")),
    )
    with op.batch_alter_table("busy_time", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_busy_time_calendar_id"), ["calendar_id"], unique=False)
        batch_op.create_index(
            "ix_busy_time_resource_id_ends_at", ["resource_id", "ends_at"], unique=False
        )

    op.create_table(
        "former_invitation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("appointment_id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("stamped_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["appointment.id"],
            name=op.f("fk_former_invitation_appointment_id_appointment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_invitation")),
        sa.UniqueConstraint("uid", name=op.f("uq_former_invitation_uid")),
    )
    with op.batch_alter_table("former_invitation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_former_invitation_appointment_id"), ["appointment_id"], unique=False
        )

    op.create_table(
        "received_mail",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("matter", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=False),
        sa.Column("appointment_id", sa.Integer(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("partstat", sa.String(length=16), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("stamped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("proposed_start_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("proposed_end_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handled_by", sa.String(length=254), nullable=True),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["appointment.id"],
            name=op.f("fk_received_mail_appointment_id_appointment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_received_mail")),
        sa.UniqueConstraint("digest", name=op.f("uq_received_mail_digest")),
    )
    with op.batch_alter_table("received_mail", schema=None) as batch_op:
        batch_op.create_index(
            "ix_received_mail_appointment_id_id", ["appointment_id", "id"], unique=False
        )
        batch_op.create_index(
            "ix_received_mail_handled_at_matter", ["handled_at", "matter"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_received_mail_received_at"), ["received_at"], unique=False
        )

    op.create_table(
        "told",
        sa.Column("appointment_id", sa.Integer(), nullable=False),
        sa.Column("audience", sa.String(length=16), nullable=False),
        sa.Column("practitioner_id", sa.Integer(), nullable=False),
        sa.Column("stamped_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["appointment.id"],
            name=op.f("fk_told_appointment_id_appointment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "appointment_id", "audience", "practitioner_id", name=op.f("pk_told")
        ),
    )
    carry_over()
    with op.batch_alter_table("appointment", schema=None) as batch_op:
        batch_op.add_column(sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.drop_index(batch_op.f("ix_appointment_room_id"))
        batch_op.create_index(
            "ix_appointment_room_id_start_at", ["room_id", "start_at"], unique=False
        )
        batch_op.drop_column("told_sequence")
        batch_op.drop_column("told_at")

    with op.batch_alter_table("clinic", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "feed_shows", sa.String(length=16), nullable=False, server_default="appointment"
            )
        )
        batch_op.add_column(
            sa.Column("proposals_welcome", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch_op.add_column(
            sa.Column("decline_cancels", sa.Boolean(), nullable=False, server_default=sa.false())
        )

    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("occasion", sa.String(length=16), nullable=False, server_default="")
        )
        batch_op.add_column(sa.Column("practitioner_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("former_id", sa.Integer(), nullable=True))
        batch_op.drop_constraint(
            batch_op.f("uq_outbox_appointment_id_sequence_kind_audience_copy"), type_="unique"
        )
        batch_op.create_unique_constraint(
            batch_op.f("uq_outbox_appointment_id_sequence_kind_audience_occasion_copy"),
            ["appointment_id", "sequence", "kind", "audience", "occasion", "copy"],
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_outbox_practitioner_id_resource"),
            "resource",
            ["practitioner_id"],
            ["id"],
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_outbox_former_id_former_invitation"),
            "former_invitation",
            ["former_id"],
            ["id"],
            ondelete="CASCADE",
        )

    op.execute(WHO_IT_WAS_FOR)
    with op.batch_alter_table("resource", schema=None) as batch_op:
        batch_op.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("wants_invitations", sa.Boolean(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("resource", schema=None) as batch_op:
        batch_op.drop_column("wants_invitations")
        batch_op.drop_column("version")

    for table, key in (("sent_message", "outbox_id"), ("outbox", "id")):
        op.execute(f"DELETE FROM {table} WHERE {key} IN ({UNKNOWN_TO_THE_FIRST_SCHEMA})")  # noqa: S608 (constants)
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_constraint(
            batch_op.f("fk_outbox_former_id_former_invitation"), type_="foreignkey"
        )
        batch_op.drop_constraint(
            batch_op.f("fk_outbox_practitioner_id_resource"), type_="foreignkey"
        )
        batch_op.drop_constraint(
            batch_op.f("uq_outbox_appointment_id_sequence_kind_audience_occasion_copy"),
            type_="unique",
        )
        batch_op.create_unique_constraint(
            batch_op.f("uq_outbox_appointment_id_sequence_kind_audience_copy"),
            ["appointment_id", "sequence", "kind", "audience", "copy"],
        )
        batch_op.drop_column("former_id")
        batch_op.drop_column("practitioner_id")
        batch_op.drop_column("occasion")

    with op.batch_alter_table("clinic", schema=None) as batch_op:
        batch_op.drop_column("decline_cancels")
        batch_op.drop_column("proposals_welcome")
        batch_op.drop_column("feed_shows")

    with op.batch_alter_table("appointment", schema=None) as batch_op:
        batch_op.add_column(sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("told_sequence", sa.Integer(), nullable=True))
        batch_op.drop_index("ix_appointment_room_id_start_at")
        batch_op.create_index(batch_op.f("ix_appointment_room_id"), ["room_id"], unique=False)
        batch_op.drop_column("answered_at")

    op.execute(WHAT_IS_CARRIED_BACK)
    op.drop_table("told")
    with op.batch_alter_table("received_mail", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_received_mail_received_at"))
        batch_op.drop_index("ix_received_mail_handled_at_matter")
        batch_op.drop_index("ix_received_mail_appointment_id_id")

    op.drop_table("received_mail")
    with op.batch_alter_table("former_invitation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_former_invitation_appointment_id"))

    op.drop_table("former_invitation")
    with op.batch_alter_table("busy_time", schema=None) as batch_op:
        batch_op.drop_index("ix_busy_time_resource_id_ends_at")
        batch_op.drop_index(batch_op.f("ix_busy_time_calendar_id"))

    op.drop_table("busy_time")
    op.drop_table("service_reminder")
    op.drop_table("feed")
    with op.batch_alter_table("busy_calendar", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_busy_calendar_resource_id"))
        batch_op.drop_index("ix_busy_calendar_next_check_at")

    op.drop_table("busy_calendar")
    op.drop_table("reply_mailbox")
