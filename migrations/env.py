"""How Alembic reaches the database: always the one of the app."""

import time
from typing import Any, Literal

from alembic import context
from alembic.util import CommandError
from flask import current_app
from sqlalchemy.exc import OperationalError, ProgrammingError

from booking.models import schema
from booking.serve import cannot_be_used, private_folder

PATIENCE = 30.0
"""Seconds to wait for another server that migrates the same SQLite file."""
database = current_app.extensions["migrate"].db
ADVISORY_LOCK = 7_265_501
"""Two servers that start together migrate one after the other."""


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our types as the plain ones they are stored as: a migration outlives its models."""
    if kind != "type" or not type(item).__module__.startswith("booking."):
        return False
    plain = {"Instant": "sa.DateTime(timezone=True)", "Minutes": "sa.Integer()"}
    return plain[type(item).__name__]


def run() -> None:
    """Migrate in one transaction, on whichever database."""
    settings = current_app.extensions["booking"].settings
    if settings.sqlite_path is not None:
        private_folder(settings.sqlite_path.parent)
    with database.engine.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        driver = connection.connection.dbapi_connection
        if sqlite:
            # Altering a table re-creates it, and with foreign keys on that deletes its children.
            # The pragma is silently ignored once a transaction has begun.
            driver.execute("PRAGMA foreign_keys=OFF")
            connection = connection.execution_options(deadline=time.monotonic() + PATIENCE)
        if fault := schema.newer(connection):
            raise CommandError(fault)
        connection.rollback()  # asking began a transaction, which is not the one to migrate in
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            render_as_batch=sqlite,
            render_item=render_item,
            transactional_ddl=True,
        )
        with context.begin_transaction():
            if not sqlite:
                connection.exec_driver_sql(
                    "SET LOCAL lock_timeout = 0"
                )  # a visitor's patience ends
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
            context.run_migrations()
            if sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise RuntimeError("the migration broke a foreign key")
        if sqlite:
            driver.execute("PRAGMA foreign_keys=ON")


try:
    run()
except (OperationalError, ProgrammingError) as error:  # away, full, or not ours to change
    raise CommandError(cannot_be_used(error)) from error
