"""What the calendar had answered before a move, so that the move can be taken back whole.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("appointment_event", schema=None) as batch_op:
        batch_op.add_column(sa.Column("answer_before", sa.String(length=16), nullable=True))
        batch_op.add_column(
            sa.Column("answered_before_at", sa.DateTime(timezone=True), nullable=True)
        )


def downgrade() -> None:
    with op.batch_alter_table("appointment_event", schema=None) as batch_op:
        batch_op.drop_column("answered_before_at")
        batch_op.drop_column("answer_before")
