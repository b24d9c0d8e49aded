"""The clinic's own colour and logo.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "logo",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.String(length=20), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_logo_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logo")),
    )
    op.add_column("clinic", sa.Column("accent", sa.String(length=7)))
    op.add_column("clinic", sa.Column("logo_digest", sa.String(length=16)))
    op.add_column("clinic", sa.Column("logo_width", sa.Integer()))
    op.add_column("clinic", sa.Column("logo_height", sa.Integer()))


def downgrade() -> None:
    with op.batch_alter_table("clinic") as batch_op:
        for name in ("logo_height", "logo_width", "logo_digest", "accent"):
            batch_op.drop_column(name)
    op.drop_table("logo")
