"""What the clinic writes itself, in other languages than its own.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = ("clinic", "location", "resource", "healthcare_service")


def upgrade() -> None:
    op.add_column(
        "clinic", sa.Column("language", sa.String(length=8), nullable=False, server_default="en")
    )
    texts = sa.JSON().with_variant(JSONB(), "postgresql")
    for table in TABLES:
        op.add_column(table, sa.Column("translations", texts, nullable=False, server_default="{}"))


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_column(table, "translations")
    op.drop_column("clinic", "language")
