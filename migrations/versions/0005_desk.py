"""The audit trail, and notes on appointments.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


WHO_HAS_IT_NOW = """UPDATE appointment_event SET
    practitioner_id = (SELECT practitioner_id FROM appointment
        WHERE appointment.id = appointment_event.appointment_id),
    room_id = (SELECT room_id FROM appointment
        WHERE appointment.id = appointment_event.appointment_id)
    WHERE id IN (SELECT max(id) FROM appointment_event GROUP BY appointment_id)"""
# Of the newest change alone it is known; without it that change could not be taken back to.


def upgrade() -> None:
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    head = sa.table(
        "audit_head",
        sa.column("id", sa.Integer()),
        sa.column("number", sa.Integer()),
        sa.column("digest", sa.LargeBinary()),
    )
    op.bulk_insert(head, [{"id": 1, "number": 0, "digest": bytes(32)}])
    op.create_table(
        "audit_entry",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("fields", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_entry")),
    )
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.create_index("ix_audit_entry_actor_number", ["actor", "number"], unique=False)
        batch_op.create_index("ix_audit_entry_subject_number", ["subject", "number"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_entry_at"), ["at"], unique=False)
    with op.batch_alter_table("appointment_event", schema=None) as batch_op:
        for name in ("practitioner_id", "room_id"):
            batch_op.add_column(sa.Column(name, sa.Integer(), nullable=True))
            batch_op.create_foreign_key(
                batch_op.f(f"fk_appointment_event_{name}_resource"), "resource", [name], ["id"]
            )
    op.execute(WHO_HAS_IT_NOW)
    op.create_table(
        "appointment_note",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("appointment_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author", sa.String(length=254), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["appointment.id"],
            name=op.f("fk_appointment_note_appointment_id_appointment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment_note")),
    )
    with op.batch_alter_table("appointment_note", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_appointment_note_appointment_id"), ["appointment_id"], unique=False
        )


def downgrade() -> None:
    op.drop_table("appointment_note")
    with op.batch_alter_table("appointment_event", schema=None) as batch_op:
        for name in ("room_id", "practitioner_id"):
            batch_op.drop_constraint(
                batch_op.f(f"fk_appointment_event_{name}_resource"), type_="foreignkey"
            )
            batch_op.drop_column(name)
    op.drop_table("audit_entry")
    op.drop_table("audit_head")
