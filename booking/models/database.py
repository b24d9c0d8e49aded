"""The database: its connection habits, and the one way to write to it."""

import fcntl
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from select import POLLIN, poll
from typing import Any, cast

from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session
from sqlalchemy import Connection, Engine, ExceptionContext, UpdateBase, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from booking.models.base import Base

PATIENCE = 5.0
"""Seconds that a writer waits for its turn before the request is answered with 503."""

SQLITE_PRAGMAS = (
    f"busy_timeout={int(PATIENCE * 1000)}",
    "journal_mode=WAL",
    "synchronous=FULL",  # an acknowledged booking survives a power cut
    "foreign_keys=ON",
    "trusted_schema=OFF",
    "secure_delete=ON",  # what is erased leaves no bytes behind
)


BUSY_STATES = ("55P03", "57014", "53300", "40P01")
"""PostgreSQL: lock not available, cancelled, too many connections, deadlock (its Appendix A)."""
LEFT_STATES = ("25006", "57P01", "57P02", "57P03")
"""PostgreSQL: a standby that takes no writes, shut down, crashed, not yet up (its Appendix A)."""
TRUSTED = 1.0
"""Seconds that a connection of PostgreSQL may lie idle and is still used without asking it."""
_LIMIT = f"SET lock_timeout = '{int(PATIENCE * 1000)}ms'"
ALONE = "alone"
"""What the engine is called whose statements stand outside of any transaction."""
NO_CONNECTION = "08"
"""The class of what a connection, or a pooler that has no server for us, dies of (the same)."""


class OutsideOfTransaction(RuntimeError):
    """Something was to be written where nothing would commit it, or locked where nothing would
    keep the lock: a fault of the program."""


class OneDatabase(Session):
    """A session that reads outside of any transaction, and writes only within `transaction()`.

    On PostgreSQL each statement sees what was committed before it began, in a transaction or not
    (READ COMMITTED, §13.2.1 of its manual). Without one there is no BEGIN and no ROLLBACK to send,
    and the driver keeps what it has prepared: a ROLLBACK throws that away. On SQLite a request
    goes on reading one state.
    """

    writing = False

    def get_bind(
        self,
        mapper: Any | None = None,  # noqa: ARG002 (one database holds everything)
        clause: Any | None = None,
        bind: Engine | Connection | None = None,
        **_: Any,
    ) -> Engine | Connection:
        """Raises OutsideOfTransaction."""
        if bind is not None:
            return bind
        if self.writing:
            return self._db.engine
        locking = getattr(clause, "_for_update_arg", None) is not None
        if locking or isinstance(clause, UpdateBase):
            raise OutsideOfTransaction
        return _reading(self._db.engine)


db = SQLAlchemy(metadata=Base.metadata, session_options={"class_": OneDatabase})


@event.listens_for(OneDatabase, "before_flush")
def _see_that_it_may(session: OneDatabase, _context: object, _instances: object) -> None:
    if not session.writing:
        raise OutsideOfTransaction


def _reading(engine: Engine) -> Engine:
    """The same engine, for statements that stand alone; it lives as long as its app."""
    if engine.dialect.name == "sqlite":
        return engine
    engines = cast(dict[str | None, Engine], db.engines)
    if ALONE not in engines:
        engines[ALONE] = engine.execution_options(isolation_level="AUTOCOMMIT")
    return engines[ALONE]


class Busy(Exception):
    """Others have been writing for longer than we wait."""


class Away(Busy):
    """The database does not answer, or has handed over to another server.

    If it went during a commit, nobody can say whether that counts: who comes again under the same
    key finds what was written.
    """


@contextmanager
def transaction() -> Iterator[Session]:
    """One use case, all or nothing: the only place that commits.

    What the request has read before is forgotten, so that a rule is judged on what holds now.
    On SQLite the write lock is taken at once: a deferred one is refused halfway.

    Raises:
        Busy: if the lock could not be had in time. Nothing was written.
        Away: if there is no database.
    """
    session = cast(OneDatabase, db.session())
    deadline = time.monotonic() + PATIENCE
    with _told_apart():
        session.rollback()
        with _turn(session.get_bind(), deadline):
            session.writing = True
            try:
                connection = session.connection(execution_options={"deadline": deadline})
                _limit_waiting(connection)
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise
            finally:
                session.writing = False


@contextmanager
def _told_apart() -> Iterator[None]:
    """Let those who come again later know that they may."""
    try:
        yield
    except DBAPIError as error:
        if is_away(error):
            raise Away("The database does not answer.") from error
        if is_busy(error):
            raise Busy from error
        raise


def end_reading() -> None:
    """End what was begun for reading, also where the database has gone since.

    Nothing of it was to be kept, so its end is nobody's fault.
    """
    try:
        db.session.rollback()
    except DBAPIError:
        db.session().invalidate()


def close_session(_error: BaseException | None = None) -> None:
    """The same at the end of a context, when what was read is not looked up any more.

    An answer that is ready, perhaps one that says what was written, must not be lost over it.
    """
    try:
        db.session.remove()
    except DBAPIError:
        db.session().invalidate()


def is_busy(error: DBAPIError) -> bool:
    """Whether the database refused only because others hold it."""
    return isinstance(error, OperationalError) and (
        _sqlstate(error.orig) in BUSY_STATES or "locked" in str(error.orig)
    )


def is_away(error: DBAPIError) -> bool:
    """Whether there is no server, none any more, or one that is no longer the one that writes."""
    if error.connection_invalidated:
        return True
    state = _sqlstate(error.orig)
    lost = state == "" or (state is not None and state.startswith(NO_CONNECTION))
    return lost and isinstance(error, OperationalError)


def _sqlstate(error: BaseException | None) -> str | None:
    """PostgreSQL's code, empty where it could not even give one; None of another database."""
    if not hasattr(error, "sqlstate"):
        return None
    return getattr(error, "sqlstate", None) or ""


def _is_outdated(error: Any) -> bool:
    """Whether what was prepared would give other columns by now, since somebody has migrated.

    Only its source tells that from all else that PostgreSQL cannot do.
    """
    feature = _sqlstate(error) == "0A000"
    return feature and error.diag.source_function == "RevalidateCachedQuery"


def install_engine_hooks(engine: Engine) -> None:
    """Give every connection its pragmas, and let us choose how a transaction begins."""
    if engine.dialect.name == "sqlite":
        _install_sqlite_hooks(engine)
    else:
        _install_postgresql_hooks(engine)


def _install_postgresql_hooks(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["pooled"] = _is_pooled(connection)
        if record.info["pooled"]:
            connection.prepare_threshold = None
        else:
            connection.pgconn.exec_(_LIMIT.encode())
        _see_that_it_stands(engine, connection)

    @event.listens_for(engine, "checkin")
    def _used(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ask(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if _is_doubtful(connection, record) and not _answers(engine, connection):
            raise InvalidatePoolError

    @event.listens_for(engine, "handle_error")
    def _left(context: ExceptionContext) -> None:
        """No connection to that server is used again, nor one that prepared for another schema."""
        error = context.original_exception
        if _sqlstate(error) in LEFT_STATES or _is_outdated(error):
            context.is_disconnect = True


def _see_that_it_stands(engine: Engine, connection: Any) -> None:
    """Of a closed one SQLAlchemy would let the bare error of the driver through, later on."""
    if connection.closed:
        raise engine.dialect.loaded_dbapi.OperationalError("The line was closed at once.")


def _is_doubtful(connection: Any, record: ConnectionPoolEntry) -> bool:
    """Whether to ask a connection if it still stands; `pool_pre_ping` would ask it each time.

    A new one is not asked: were it gone as well, the pool would give up, and in words that say
    nothing of a database that is away.
    """
    used = record.info.get("used")
    if used is None:
        return False
    idle = time.monotonic() - used
    return connection.closed or idle > TRUSTED or _has_something_to_say(connection)


def _has_something_to_say(connection: Any) -> bool:
    """Whether something came that nobody asked for: a farewell, or the end of the line."""
    line = poll()
    line.register(connection.fileno(), POLLIN)
    return bool(line.poll(0))


def _answers(engine: Engine, connection: Any) -> bool:
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        return False


def _is_pooled(connection: Any) -> bool:
    """Whether something like PgBouncer stands between and lends each transaction a connection.

    What is prepared on one is not known on the next. A pooler answers for itself when we come,
    so the number that it gave then is not that of the process that works for us now.
    """
    found = connection.pgconn.exec_(b"SELECT pg_backend_pid()").get_value(0, 0)
    return found is None or int(found) != connection.info.backend_pid


def _install_sqlite_hooks(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy begins below; the driver must not
        # SQLite's own knows the letters of ASCII only; PostgreSQL's knows all.
        connection.create_function("lower", 1, _lower, deterministic=True)
        for pragma in SQLITE_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        deadline = connection.get_execution_options().get("deadline")
        left = PATIENCE if deadline is None else max(0.0, deadline - time.monotonic())
        driver.execute(f"PRAGMA busy_timeout={int(left * 1000)}")
        if deadline is None:
            driver.execute("BEGIN DEFERRED")
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # its refusal is an OperationalError


def _lower(text: object) -> object:
    return text.lower() if isinstance(text, str) else text


def _limit_waiting(connection: Connection) -> None:
    """Where a pooler lends us another's connection for each transaction; ours know it already."""
    if connection.info.get("pooled"):
        connection.exec_driver_sql(_LIMIT.replace("SET", "SET LOCAL"))


@contextmanager
def _turn(bind: Engine | Connection, deadline: float) -> Iterator[None]:
    """Queue SQLite's writers on a side file.

    SQLite's own busy handler sleeps ever longer and so starves who waits longest; a short,
    even poll gives everybody the same chance.

    Raises:
        Busy: if the deadline passes.
    """
    database = bind.engine.url.database
    if bind.dialect.name != "sqlite" or not database:
        yield
        return
    descriptor = os.open(f"{database}.writer", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        _lock(descriptor, deadline)
        yield
    finally:
        os.close(descriptor)  # closing gives the lock back


def _lock(descriptor: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Busy from None
            time.sleep(random.uniform(0.0005, 0.003))  # noqa: S311 (spreads out the writers)
