"""A number for each resource, another one with every change of its time.

Revision ID: 0013
Revises: 0012
"""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

OF_A_RESOURCE = ("occupancy", "busy_time")
OF_THE_CLINIC = ("opening_hours", "opening_break", "closure", "holiday_override")
EVENTS = ("INSERT", "UPDATE", "DELETE")

# At random, not one more: a copy that is put back, or a standby that was behind, would give the
# same numbers again for something else.
SQLITE_TRIGGER = """
CREATE TRIGGER {table}_version_on_{event}_{row} AFTER {event} ON {table} BEGIN
    INSERT INTO time_version (resource_id, version) VALUES ({resource}, random())
    ON CONFLICT (resource_id) DO UPDATE SET version = excluded.version;
END
"""

# For a statement, not for each row: a calendar that is read anew writes hundreds of them. In the
# order of the resources, as they are locked.
POSTGRESQL_FUNCTIONS = (
    """
CREATE FUNCTION change_time_versions() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO time_version (resource_id, version)
    SELECT resource_id, (random() * 9007199254740991)::bigint
    FROM (SELECT DISTINCT resource_id FROM changed) AS each
    ORDER BY resource_id
    ON CONFLICT (resource_id) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$
""",
    """
CREATE FUNCTION change_time_version_of_the_clinic() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO time_version (resource_id, version)
    VALUES (0, (random() * 9007199254740991)::bigint)
    ON CONFLICT (resource_id) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$
""",
)
POSTGRESQL_TRIGGER = """
CREATE TRIGGER {table}_version_on_{event}_{row} AFTER {event} ON {table}
REFERENCING {row} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION change_time_versions()
"""
POSTGRESQL_TRIGGER_OF_THE_CLINIC = """
CREATE TRIGGER {table}_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION change_time_version_of_the_clinic()
"""
# Who empties a table by hand changes everybody's time.
POSTGRESQL_TRIGGER_ON_EMPTYING = """
CREATE TRIGGER {table}_version_on_TRUNCATE AFTER TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION change_time_version_of_the_clinic()
"""


def rows_of(event: str) -> tuple[str, ...]:
    """What a row was and what it is: one that is given to another resource concerns both."""
    return {"INSERT": ("NEW",), "DELETE": ("OLD",), "UPDATE": ("OLD", "NEW")}[event]


def on_sqlite() -> Iterator[str]:
    for event in EVENTS:
        for row in rows_of(event):
            for table in OF_A_RESOURCE:
                resource = f"{row}.resource_id"
                yield SQLITE_TRIGGER.format(table=table, event=event, row=row, resource=resource)
        for table in OF_THE_CLINIC:
            yield SQLITE_TRIGGER.format(table=table, event=event, row="ANY", resource=0)


def on_postgresql() -> Iterator[str]:
    yield from POSTGRESQL_FUNCTIONS
    for event in EVENTS:
        for row in rows_of(event):
            for table in OF_A_RESOURCE:
                yield POSTGRESQL_TRIGGER.format(table=table, event=event, row=row)
    for table in OF_A_RESOURCE:
        yield POSTGRESQL_TRIGGER_ON_EMPTYING.format(table=table)
    for table in OF_THE_CLINIC:
        yield POSTGRESQL_TRIGGER_OF_THE_CLINIC.format(table=table)


def upgrade() -> None:
    op.create_table(
        "time_version",
        sa.Column("resource_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource_id", name=op.f("pk_time_version")),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in on_sqlite() if sqlite else on_postgresql():
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for statement in on_sqlite():
            op.execute(f"DROP TRIGGER {statement.split()[2]}")
    else:
        op.execute("DROP FUNCTION change_time_versions() CASCADE")
        op.execute("DROP FUNCTION change_time_version_of_the_clinic() CASCADE")
    op.drop_table("time_version")
