"""Another address that confirms itself, and when personal data go.

A clinic that is there already erases nothing by itself until staff say after how many days.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "address_change",
        sa.Column("appointment_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("nonce", sa.LargeBinary(length=16), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["appointment.id"],
            name=op.f("fk_address_change_appointment_id_appointment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("appointment_id", name=op.f("pk_address_change")),
        sa.UniqueConstraint("digest", name=op.f("uq_address_change_digest")),
    )
    op.create_index(op.f("ix_address_change_expires_at"), "address_change", ["expires_at"])
    op.add_column("appointment", sa.Column("erase_at", sa.DateTime(timezone=True)))
    op.add_column("appointment", sa.Column("erased_at", sa.DateTime(timezone=True)))
    op.create_index("ix_appointment_erased_at_end_at", "appointment", ["erased_at", "end_at"])
    op.create_index(op.f("ix_appointment_erase_at"), "appointment", ["erase_at"])
    op.add_column("clinic", sa.Column("erase_after_days", sa.Integer()))
    op.add_column(
        "clinic",
        sa.Column("erase_on_wish_after_days", sa.Integer(), nullable=False, server_default="30"),
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_appointment_erase_at"), table_name="appointment")
    op.drop_index("ix_appointment_erased_at_end_at", table_name="appointment")
    op.drop_index(op.f("ix_address_change_expires_at"), table_name="address_change")
    with op.batch_alter_table("clinic") as batch_op:
        batch_op.drop_column("erase_on_wish_after_days")
        batch_op.drop_column("erase_after_days")
    with op.batch_alter_table("appointment") as batch_op:
        batch_op.drop_column("erased_at")
        batch_op.drop_column("erase_at")
    op.drop_table("address_change")
