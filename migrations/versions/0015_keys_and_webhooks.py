"""Keys of the API.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("scopes", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("former_digest", sa.LargeBinary(length=32)),
        sa.Column("former_until", sa.DateTime(timezone=True)),
        sa.Column("made_by_id", sa.Integer(), nullable=False),
        sa.Column("former_by_id", sa.Integer()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("last_used_on", sa.Date()),
        sa.ForeignKeyConstraint(
            ["made_by_id"], ["staff_user.id"], name=op.f("fk_api_key_made_by_id_staff_user")
        ),
        sa.ForeignKeyConstraint(
            ["former_by_id"], ["staff_user.id"], name=op.f("fk_api_key_former_by_id_staff_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("name", name=op.f("uq_api_key_name")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_key_digest")),
        sa.UniqueConstraint("former_digest", name=op.f("uq_api_key_former_digest")),
    )
    op.create_index(op.f("ix_api_key_made_by_id"), "api_key", ["made_by_id"])
    op.create_index(op.f("ix_api_key_former_by_id"), "api_key", ["former_by_id"])


def downgrade() -> None:
    op.drop_table("api_key")
