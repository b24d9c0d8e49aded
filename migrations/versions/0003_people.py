"""Roles, whose appointments a clinician sees, and invitations to members of staff.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Whoever could sign in could do everything: they become administrators."""
    op.drop_table("staff_role")
    op.drop_table("role")
    with op.batch_alter_table("staff_user", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("role", sa.String(length=16), nullable=False, server_default="administrator")
        )
        batch_op.add_column(sa.Column("practitioner_id", sa.Integer(), nullable=True))
        batch_op.add_column(
            sa.Column("name", sa.String(length=120), nullable=False, server_default="")
        )
        batch_op.add_column(sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_staff_user_practitioner_id_resource"),
            "resource",
            ["practitioner_id"],
            ["id"],
        )
        batch_op.create_check_constraint(
            batch_op.f("ck_staff_user_clinician_is_somebody"),
            "(role = 'clinician') = (practitioner_id IS NOT NULL)",
        )
    op.execute("UPDATE staff_user SET joined_at = created_at")
    _make_account_link()


def _make_account_link() -> None:
    op.create_table(
        "account_link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("nonce", sa.LargeBinary(length=16), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message_id", sa.String(length=32), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["staff_user.id"],
            name=op.f("fk_account_link_user_id_staff_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_link")),
        sa.UniqueConstraint("digest", name=op.f("uq_account_link_digest")),
        sa.UniqueConstraint("message_id", name=op.f("uq_account_link_message_id")),
        sa.UniqueConstraint("user_id", name=op.f("uq_account_link_user_id")),
    )
    with op.batch_alter_table("account_link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_account_link_expires_at"), ["expires_at"])
        batch_op.create_index(batch_op.f("ix_account_link_next_attempt_at"), ["next_attempt_at"])


def downgrade() -> None:
    """Only administrators remain: the first schema would let everybody do everything."""
    op.drop_table("account_link")
    op.execute("DELETE FROM staff_user WHERE role <> 'administrator' OR joined_at IS NULL")
    with op.batch_alter_table("staff_user", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_staff_user_clinician_is_somebody"), type_="check")
        batch_op.drop_constraint(
            batch_op.f("fk_staff_user_practitioner_id_resource"), type_="foreignkey"
        )
        batch_op.drop_column("joined_at")
        batch_op.drop_column("name")
        batch_op.drop_column("practitioner_id")
        batch_op.drop_column("role")
    op.create_table(
        "role",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role")),
        sa.UniqueConstraint("name", name=op.f("uq_role_name")),
    )
    op.create_table(
        "staff_role",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("role_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["role_id"], ["role.id"], name=op.f("fk_staff_role_role_id_role"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["staff_user.id"],
            name=op.f("fk_staff_role_user_id_staff_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "role_id", name=op.f("pk_staff_role")),
    )
