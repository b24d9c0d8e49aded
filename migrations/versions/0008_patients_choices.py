"""What patients choose for themselves: the language, the event's title, how they are called.

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


def downgrade() -> None:
    with op.batch_alter_table("appointment", schema=None) as batch_op:
        for name in ("carer_phone", "may_text", *reversed(TEXTS)):
            batch_op.drop_column(name)
