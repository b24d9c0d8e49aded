"""What patients choose for themselves, and their asking for a link that they have lost.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXTS = {
    "language": (8, "en"),
    "event_title": (60, ""),
    "call_name": (120, ""),
    "carer_name": (120, ""),
}


def upgrade() -> None:
    with op.batch_alter_table("appointment", schema=None) as batch_op:
        for name, (length, value) in TEXTS.items():
            column = sa.Column(name, sa.String(length=length), nullable=False, server_default=value)
            batch_op.add_column(column)
        batch_op.add_column(
            sa.Column("may_text", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch_op.add_column(sa.Column("carer_phone", sa.String(length=20), nullable=True))
    with op.batch_alter_table("appointment", schema=None) as batch_op:
        for name in (*TEXTS, "may_text"):
            batch_op.alter_column(name, server_default=None)
    op.create_table(
        "link_request",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("email_key", sa.String(length=254), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_link_request")),
    )
    with op.batch_alter_table("link_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_link_request_asked_at"), ["asked_at"], unique=False)


def downgrade() -> None:
    op.drop_table("link_request")
    with op.batch_alter_table("appointment", schema=None) as batch_op:
        for name in ("carer_phone", "may_text", *reversed(TEXTS)):
            batch_op.drop_column(name)
