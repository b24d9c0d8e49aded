"""Which schema a database has, by its Alembic revision, and which ones this release knows."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

NONE = "BOOKING_DATABASE_URL names no database of this service: flask db upgrade makes one."
MIGRATIONS = Path(__file__).parents[2] / "migrations"


def revisions_of(connection: Connection) -> frozenset[str]:
    """What the database says of itself: one revision, or none where nothing was migrated yet."""
    return frozenset(MigrationContext.configure(connection).get_current_heads())


def newest() -> str | None:
    """The revision to which this release migrates."""
    return _scripts().get_current_head()


def unknown(revisions: Iterable[str]) -> str:
    """Those that only a newer release can have made, named; empty where there are none."""
    return ", ".join(sorted(frozenset(revisions) - _known()))


def newer(connection: Connection) -> str | None:
    """What is wrong, in a sentence, if a newer release has migrated the database."""
    found = unknown(revisions_of(connection))
    if not found:
        return None
    return (
        f"The database has the schema {found}, which this release does not know "
        f"(its newest is {newest()}): run the newer release that made it."
    )


def foreign(connection: Connection) -> str | None:
    """What is wrong, in a sentence, if the schema is not the very one of this release."""
    found = revisions_of(connection)
    if not found:
        return NONE
    if found == {newest()}:
        return None
    return newer(connection) or (
        f"The database has the schema {', '.join(sorted(found))}, which is older than this "
        "release: run flask db upgrade."
    )


@cache
def _known() -> frozenset[str]:
    return frozenset(each.revision for each in _scripts().walk_revisions())


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))
