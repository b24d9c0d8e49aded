"""All rows of one database into a new one of another kind, in one transaction, compared row by row.

A copy through SQLAlchemy's own types, so that instants, lengths of time and documents mean the same
on both sides.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from flask_migrate import upgrade
from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Table,
    create_engine,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from booking.models import schema
from booking.models.base import Base
from booking.models.database import db

BATCH = 500
NOTHING_THERE = "There is no database of this service at that address."


class MoveError(Exception):
    """It cannot be done; the text is one sentence that says why."""


def move_from(source_url: str) -> dict[str, int]:
    """Fill the app's own database, which must be empty, with all that another one holds.

    Nobody may write to the other one meanwhile; it is only read, and stays as it is.

    Returns:
        How many rows each table has now.

    Raises:
        MoveError: if there is something here, the other one cannot be read or has another schema,
            or what was written reads differently; nothing is left behind but empty tables.
    """
    if inspect(db.engine).get_table_names():
        raise MoveError("The database is not empty: move into a new one.")
    source = _source(source_url)
    try:
        with source.connect() as old:
            _refuse_another_schema(old)
            upgrade()
            with db.engine.begin() as new:
                return _move(old, new)
    except SQLAlchemyError as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        raise MoveError(f"It did not work: {said[:200].rstrip('.?')}.") from error
    finally:
        source.dispose()


def _source(url: str) -> Engine:
    """The other database, with nothing of it in what an error says."""
    try:
        engine = create_engine(url, hide_parameters=True)
    except (ArgumentError, ImportError):
        raise MoveError("That is not the address of a database.") from None
    if engine.dialect.name == "sqlite":
        if not Path(engine.url.database or "").is_file():  # it would be made
            raise MoveError(NOTHING_THERE)
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ")


def _refuse_another_schema(old: Connection) -> None:
    """Before anything is made: the two must be of the same version."""
    revisions = schema.revisions_of(old)
    if not revisions:
        raise MoveError(NOTHING_THERE)
    if revisions != {schema.newest()}:
        raise MoveError(
            "The two are not of the same version: "
            "let this version of the service run on the old database first."
        )


def _move(old: Connection, new: Connection) -> dict[str, int]:
    everything = Base.metadata.sorted_tables  # what is pointed at comes first
    for table in reversed(everything):
        new.execute(table.delete())  # what a migration has put into a new database
    # What triggers keep is of the one database alone: those of the new one count on their own.
    tables = [each for each in everything if "kept_by_triggers" not in each.info]
    with _triggers_at_rest(tables, new):
        counts = {table.name: _copy(table, old, new) for table in tables}
    for table in tables:
        _compare(table, old, new)
        _go_on_counting(table, new)
    return counts


@contextmanager
def _triggers_at_rest(tables: Sequence[Table], new: Connection) -> Iterator[None]:
    """On PostgreSQL those that keep numbers would write one row as often as there are rows to copy,
    and each write walks past all before it in the same transaction. Nobody has read a number yet.

    The laws do not rest: there they are constraints.
    """
    if new.dialect.name != "postgresql":
        yield
        return
    for table in tables:
        new.execute(text(f'ALTER TABLE "{table.name}" DISABLE TRIGGER USER'))
    yield
    for table in tables:
        new.execute(text(f'ALTER TABLE "{table.name}" ENABLE TRIGGER USER'))


def _copy(table: Table, old: Connection, new: Connection) -> int:
    copied = 0
    with _rows(table, old) as found:
        for rows in found.partitions():
            new.execute(table.insert(), [dict(row._mapping) for row in rows])
            copied += len(rows)
    return copied


def _compare(table: Table, old: Connection, new: Connection) -> None:
    with _rows(table, old) as wanted, _rows(table, new) as found:
        for number, (before, after) in enumerate(zip_longest(wanted, found), start=1):
            if before != after:
                raise MoveError(f"Row {number} of {table.name} came out differently.")


def _rows(table: Table, connection: Connection) -> CursorResult[Any]:
    """All rows in the order of their key, a batch in memory at a time."""
    query = select(table).order_by(*table.primary_key)
    return connection.execute(query.execution_options(yield_per=BATCH))


def _go_on_counting(table: Table, new: Connection) -> None:
    """Let the next number come after the highest; SQLite does so by itself."""
    column = table.autoincrement_column
    if new.dialect.name == "sqlite" or column is None:
        return
    sequence = func.pg_get_serial_sequence(table.name, column.name)
    highest = select(func.max(column)).scalar_subquery()
    new.execute(
        select(func.setval(sequence, func.coalesce(highest, 1), highest.is_not(None))).where(
            sequence.is_not(None)
        )
    )
