"""What every table shares: naming, the types of time, and how rows are written without objects."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, cast

from sqlalchemy import CursorResult, DateTime, Dialect, Insert, Integer, MetaData, Table, insert
from sqlalchemy.orm import DeclarativeBase, Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.types import TypeDecorator


class Seal(StrEnum):
    """By which purpose of the secret key a column is sealed."""

    HOUSE = "sent-message"
    SECOND_STEP = "second-step"


def sealed_by(seal: Seal) -> dict[str, Seal]:
    """The mark of a column that is sealed: what bears it is found when the secret changes."""
    return {"seal": seal}


class Instant(TypeDecorator[datetime]):
    """An instant, always UTC: naive values are refused, SQLite's naive answers get their zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Minutes(TypeDecorator[timedelta]):
    """A length of time, stored as whole minutes."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:
        return None if value is None else value // timedelta(minutes=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:
        return None if value is None else timedelta(minutes=value)


class Base(DeclarativeBase):
    """The root of all models."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Instant, timedelta: Minutes}  # noqa: RUF012 (SQLAlchemy's name)


def write(session: Session, model: type[Base], *rows: Mapping[str, Any]) -> None:
    """Insert rows of the same columns that this session will not look at again.

    It costs a fifth of what objects cost; what they depend on must have been flushed.
    """
    if rows:
        session.execute(_insert_into(model), rows)


def write_and_keep(session: Session, made: Base) -> None:
    """Insert an object that this session goes on with, at a third of what adding and flushing cost.

    What was not set is read when it is asked for. Links to others must stand in its columns, not
    only in its relationships.
    """
    said = vars(made)
    values = {each.key: said[each.key] for each in table_of(type(made)).c if each.key in said}
    result = cast("CursorResult[Any]", session.execute(_insert_into(type(made)), values))
    (number,) = cast(tuple[int], result.inserted_primary_key)
    set_committed_value(made, "id", number)
    make_transient_to_detached(made)
    session.add(made)


@cache
def _insert_into(model: type[Base]) -> Insert:
    return insert(table_of(model))


def table_of(model: type[Base]) -> Table:
    """The table of a model, for statements that need not know of objects."""
    return cast(Table, model.__table__)
