"""Time that is held while somebody fills in a form or makes up their mind, and who waits for it.

Revision ID: 0009
Revises: 0008
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

LAW = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'occupancy'"
ONE_TAKER = "(appointment_id IS NULL) <> (hold_id IS NULL)"


@contextmanager
def the_law_kept() -> Iterator[None]:
    """SQLite alters a table by making it anew, and the triggers on it go with the old one."""
    bind = op.get_bind()
    sqlite = bind.dialect.name == "sqlite"
    law = list(bind.exec_driver_sql(LAW).scalars()) if sqlite else []
    yield
    for statement in law:
        op.execute(statement)


def upgrade() -> None:
    op.create_table(
        "hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("service_id", sa.Integer(), nullable=False),
        sa.Column("practitioner_id", sa.Integer(), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("address", sa.String(length=32), nullable=False),
        sa.Column("network", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["healthcare_service.id"],
            name=op.f("fk_hold_service_id_healthcare_service"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["practitioner_id"], ["resource.id"], name=op.f("fk_hold_practitioner_id_resource")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
        sa.UniqueConstraint("key_digest", name=op.f("uq_hold_key_digest")),
    )
    with op.batch_alter_table("hold", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hold_expires_at"), ["expires_at"], unique=False)
    with the_law_kept(), op.batch_alter_table("occupancy", schema=None) as batch_op:
        batch_op.alter_column("appointment_id", existing_type=sa.Integer(), nullable=True)
        batch_op.add_column(sa.Column("hold_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("held_until", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_occupancy_hold_id_hold"), "hold", ["hold_id"], ["id"], ondelete="CASCADE"
        )
        batch_op.create_check_constraint(batch_op.f("ck_occupancy_one_taker"), ONE_TAKER)
        batch_op.create_index(batch_op.f("ix_occupancy_hold_id"), ["hold_id"], unique=False)
    op.create_table(
        "waitlist_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("appointment_id", sa.Integer(), nullable=False),
        sa.Column("practitioner_id", sa.Integer(), nullable=True),
        sa.Column("weekdays", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["appointment.id"],
            name=op.f("fk_waitlist_entry_appointment_id_appointment"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["practitioner_id"],
            ["resource.id"],
            name=op.f("fk_waitlist_entry_practitioner_id_resource"),
        ),
        sa.CheckConstraint("weekdays BETWEEN 1 AND 127", name=op.f("ck_waitlist_entry_weekdays")),
        sa.CheckConstraint("parts BETWEEN 1 AND 7", name=op.f("ck_waitlist_entry_parts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waitlist_entry")),
        sa.UniqueConstraint("appointment_id", name=op.f("uq_waitlist_entry_appointment_id")),
    )
    with op.batch_alter_table("waitlist_entry", schema=None) as batch_op:
        batch_op.create_index(
            "ix_waitlist_entry_ended_at_joined_at", ["ended_at", "joined_at"], unique=False
        )
    op.create_table(
        "waitlist_offer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("practitioner_id", sa.Integer(), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["waitlist_entry.id"],
            name=op.f("fk_waitlist_offer_entry_id_waitlist_entry"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["practitioner_id"],
            ["resource.id"],
            name=op.f("fk_waitlist_offer_practitioner_id_resource"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waitlist_offer")),
        sa.UniqueConstraint(
            "entry_id", "start_at", name=op.f("uq_waitlist_offer_entry_id_start_at")
        ),
    )


def downgrade() -> None:
    op.drop_table("waitlist_offer")
    op.drop_table("waitlist_entry")
    op.execute("DELETE FROM occupancy WHERE hold_id IS NOT NULL")
    with the_law_kept(), op.batch_alter_table("occupancy", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_occupancy_hold_id"))
        batch_op.drop_constraint(batch_op.f("ck_occupancy_one_taker"), type_="check")
        batch_op.drop_constraint(batch_op.f("fk_occupancy_hold_id_hold"), type_="foreignkey")
        batch_op.drop_column("held_until")
        batch_op.drop_column("hold_id")
        batch_op.alter_column("appointment_id", existing_type=sa.Integer(), nullable=False)
    op.drop_table("hold")
