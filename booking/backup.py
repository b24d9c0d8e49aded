"""A copy of the database while it is in use, and the way back.

SQLite is copied by its own online backup, which sees one state of the whole; PostgreSQL by
`pg_dump`. Beside the copy lies its SHA-256, in the form of `sha256sum`. Encryption is left to a
tool made for it: the copy can go to standard output and come from standard input.
"""

import hashlib
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import case, func, inspect, select, update
from sqlalchemy.engine import URL, make_url

from booking.models import Audience, OwedMessage, schema
from booking.models.database import db
from booking.settings import Settings
from booking.web.state import Booking

STREAM = Path("-")
MAGIC = b"SQLite format 3\0"
END_OF_ROWS = "\\."
"""What ends the rows of a COPY (PostgreSQL's own manual)."""
IN_DOUBT = "Restored from a backup: it may have been sent already."


class BackupError(Exception):
    """It cannot be done; the text is one sentence that says why."""


def back_up(settings: Settings, path: Path) -> str:
    """Copy the database to a new file, or to standard output for `-`; returns the SHA-256.

    Raises:
        BackupError: if the file is there already, or the database cannot be copied.
    """
    if path != STREAM and path.exists():
        raise BackupError(f"{path} is there already.")
    folder = None if path == STREAM else path.absolute().parent
    with _in_words(), TemporaryDirectory(prefix=".backup-", dir=folder) as scratch:
        copy = Path(scratch) / "copy"
        _copy(settings, copy)
        digest = _digest(copy)
        if path == STREAM:
            with copy.open("rb") as source:
                shutil.copyfileobj(source, sys.stdout.buffer)
            return digest
        os.replace(copy, path)  # whole or not at all
        checksum = path.with_name(f"{path.name}.sha256")
        checksum.write_text(f"{digest}  {path.name}\n", encoding="utf-8")
    return digest


def restore(app: Flask, path: Path) -> int:
    """Put a copy into an empty database, bring it to this version's schema, and quiet its outbox.

    What was waiting to be sent when the copy was made may have been sent since: nothing of it
    leaves by itself. It stands on the list of those who were not reached, from where staff send it
    again.

    Returns:
        How many messages to patients that are.

    Raises:
        BackupError: if the copy is damaged or made by a newer release, or the database holds
            something.
    """
    state: Booking = app.extensions["booking"]
    if _holds_something(state.settings):
        raise BackupError("The database is not empty: restore into a new one.")
    at = state.clock()
    with _in_words(), _at_hand(path) as copy:
        revisions = _revisions_in(state.settings, copy)
        if not revisions:
            raise BackupError("This is no copy of a database of this service.")
        _refuse_newer(revisions)
        _put_back(state.settings, copy, _quieting(at))
    upgrade()
    not_reached = OwedMessage.failed_at == at, OwedMessage.last_error == IN_DOUBT
    return db.session.scalar(select(func.count()).where(*not_reached)) or 0


def _holds_something(settings: Settings) -> bool:
    path = settings.sqlite_path
    if path is not None and not path.exists():  # asking would make it
        return False
    return bool(inspect(db.engine).get_table_names())


def _quieting(at: datetime) -> str:
    """The SQL that lets nothing leave that may have left already.

    It is part of putting back, so that who starts the service on what a killed `restore` left finds
    either nothing or a quiet outbox; hence it names only columns that the first release had.
    """
    statement = (
        update(OwedMessage)
        .where(OwedMessage.settled_at.is_(None), OwedMessage.next_attempt_at <= at)
        .values(
            settled_at=at,
            failed_at=case(
                (OwedMessage.audience == Audience.PATIENT, at), else_=OwedMessage.failed_at
            ),
            last_error=IN_DOUBT,
            lease=None,
            leased_until=None,
        )
    )
    return str(statement.compile(db.engine, compile_kwargs={"literal_binds": True}))


def _copy(settings: Settings, target: Path) -> None:
    target.touch(mode=0o600)
    if settings.sqlite_path is None:
        _run(["pg_dump", "--format=custom", "--no-owner", f"--file={target}"], settings)
        _refuse_nothing(settings, target)
        return
    if not settings.sqlite_path.exists():
        raise BackupError(schema.NONE)
    source = sqlite3.connect(f"{settings.sqlite_path.absolute().as_uri()}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
        if copy.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise BackupError("The copy is not whole: the database is damaged.")
    _refuse_nothing(settings, target)


def _refuse_nothing(settings: Settings, copy: Path) -> None:
    """A copy of a database that is not ours would let somebody sleep who has none."""
    if not _revisions_in(settings, copy):
        raise BackupError(schema.NONE)


def _refuse_newer(revisions: set[str]) -> None:
    if found := schema.unknown(revisions):
        raise BackupError(
            f"The copy has the schema {found}, which this release does not know "
            f"(its newest is {schema.newest()}): restore it with the newer release that made it."
        )


def _revisions_in(settings: Settings, copy: Path) -> set[str]:
    """The revision that a copy names, read before anything of it is put anywhere."""
    if settings.sqlite_path is None:
        read = ["pg_restore", "--data-only", "--table=alembic_version", "--file=-", str(copy)]
        lines = iter(_said(read).splitlines())
        for line in lines:
            if line.startswith("COPY "):
                return set(itertools.takewhile(lambda each: each != END_OF_ROWS, lines))
        return set()
    with copy.open("rb") as begin:
        if begin.read(len(MAGIC)) != MAGIC:
            raise BackupError("This is no copy of a SQLite database.")
    with closing(sqlite3.connect(copy)) as source:
        if source.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise BackupError("The copy is damaged.")
        table = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
        if source.execute(table).fetchone() is None:
            return set()
        return {each for (each,) in source.execute("SELECT version_num FROM alembic_version")}


def _put_back(settings: Settings, copy: Path, quieting: str) -> None:
    """Everything and its quieting, or nothing."""
    target = settings.sqlite_path
    if target is None:
        # Who owns what and who may do what is this server's business: another has other roles,
        # and the extension may be its administrator's.
        ours = ["--no-owner", "--no-privileges", "--no-comments"]
        script = copy.with_name("script")
        _said(["pg_restore", *ours, f"--file={script}", str(copy)])
        with script.open("a", encoding="utf-8") as more:
            more.write(f"\nRESET search_path;\n{quieting};\n")
        whole = ["--single-transaction", "--set=ON_ERROR_STOP=1"]
        _run(["psql", "--no-psqlrc", "--quiet", *whole, f"--file={script}"], settings)
        return
    with closing(sqlite3.connect(copy)) as source:
        with source:
            source.execute(quieting)
        db.session.remove()
        db.engine.dispose()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        with closing(sqlite3.connect(target)) as new:
            source.backup(new)


@contextmanager
def _in_words() -> Iterator[None]:
    """A full disk, a folder that is not there, a file that is no database: one sentence."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"It did not work: {' '.join(str(error).split())[:200]}.") from error


@contextmanager
def _at_hand(path: Path) -> Iterator[Path]:
    """The copy as a file; what lies beside its SHA-256 must match it."""
    with TemporaryDirectory(prefix="restore-") as scratch:
        copy = Path(scratch) / "copy"
        copy.touch(mode=0o600)
        with copy.open("wb") as target:
            if path == STREAM:
                shutil.copyfileobj(sys.stdin.buffer, target)
            else:
                with path.open("rb") as source:
                    shutil.copyfileobj(source, target)
        checksum = path.with_name(f"{path.name}.sha256")
        if path != STREAM and checksum.exists():
            wanted = checksum.read_text(encoding="utf-8", errors="replace").split()[:1]
            if wanted != [_digest(copy)]:
                raise BackupError("The copy is not what was written: its SHA-256 is another.")
        yield copy


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run(command: list[str], settings: Settings) -> None:
    """Run one of PostgreSQL's own tools on our database.

    The password goes by the environment, not the list.
    """
    url: URL = make_url(settings.database_url)
    plain = URL.create(  # `set` would keep the password, and write asterisks for it
        "postgresql", url.username, None, url.host, url.port, url.database, url.query
    )
    more = [f"--dbname={plain.render_as_string()}"]
    _said([*command, *more], {"PGPASSWORD": url.password} if url.password else {})


def _said(command: list[str], environ: dict[str, str] | None = None) -> str:
    """What a tool writes to its output."""
    try:
        done = subprocess.run(  # noqa: S603
            command, env=os.environ | (environ or {}), capture_output=True, check=False
        )
    except FileNotFoundError:
        raise BackupError(f"{command[0]} is not installed on this machine.") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        reason = next((line for line in said if "error:" in line.lower()), said[-1])
        raise BackupError(f"{command[0]} says: {reason[:200]}")
    return done.stdout.decode(errors="replace")
