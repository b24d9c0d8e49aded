"""Somebody who looks into the database with a program of theirs, and forgets to leave."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text

HELD = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "SELECT id FROM resource ORDER BY id FOR UPDATE",
}


@contextmanager
def held(database_url: str) -> Iterator[None]:
    """Hold what every booking must lock."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.isolation_level = None  # it would begin a transaction of its own
        connection.execute(text(HELD[engine.dialect.name]))
        yield
        connection.rollback()
    engine.dispose()
