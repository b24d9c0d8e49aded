"""Opening hours hold in certain months and at a place; public holidays can be worked on.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("opening_hours", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("months", sa.Integer(), nullable=False, server_default="4095")
        )
        batch_op.add_column(sa.Column("location_id", sa.Integer(), nullable=True))
        batch_op.create_check_constraint(
            batch_op.f("ck_opening_hours_months"), "months BETWEEN 1 AND 4095"
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_opening_hours_location_id_location"),
            "location",
            ["location_id"],
            ["id"],
        )

    op.create_table(
        "holiday_override",
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("on_date", name=op.f("pk_holiday_override")),
    )


def downgrade() -> None:
    op.drop_table("holiday_override")
    with op.batch_alter_table("opening_hours", schema=None) as batch_op:
        batch_op.drop_constraint(
            batch_op.f("fk_opening_hours_location_id_location"), type_="foreignkey"
        )
        batch_op.drop_constraint(batch_op.f("ck_opening_hours_months"), type_="check")
        batch_op.drop_column("location_id")
        batch_op.drop_column("months")
