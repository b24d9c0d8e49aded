"""A real PgBouncer in transaction mode before a PostgreSQL, with as few connections as we like."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from sqlalchemy.engine import URL, make_url

from tests.ports import free_port

BINARY = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
UNPRIVILEGED = "postgres"
"""PgBouncer refuses to run as root; Debian's package brings this account."""
PATIENCE = 20.0
CONFIGURATION = """
[databases]
* = host={host} port={server} user={user}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
query_wait_timeout = 5
server_connect_timeout = 3
server_login_retry = 1
tcp_user_timeout = 10000
tcp_keepidle = 5
tcp_keepintvl = 2
tcp_keepcnt = 3
"""
"""As docs/scaling.md has it, but for who may come in."""


def require() -> None:
    """Leave a test out where there is no PgBouncer, but never in a run that must have it."""
    if BINARY is None:
        if os.environ.get("CI") == "true":
            pytest.fail("pgbouncer is missing")
        pytest.skip("there is no pgbouncer")


@contextmanager
def before(database_url: str, *, size: int) -> Iterator[str]:
    """The address of the same database through a PgBouncer with so many connections to it."""
    url, port = make_url(database_url), free_port()
    host = url.host or str(url.query["host"])
    with TemporaryDirectory(prefix="booking-pgbouncer-") as folder:
        path = Path(folder) / "pgbouncer.ini"
        path.write_text(
            CONFIGURATION.format(
                host=host, server=url.port or 5432, user=url.username, port=port, size=size
            )
        )
        if (account := _account(host)) is not None:
            os.chown(folder, account, -1)
            os.chown(path, account, -1)
        with (Path(folder) / "log").open("w") as log:
            process = subprocess.Popen(
                [BINARY or "pgbouncer", path], stdout=log, stderr=log, user=account
            )
        try:
            pooled = url.set(host="127.0.0.1", port=port, query={})
            _wait_for(process, pooled, Path(folder) / "log")
            yield pooled.render_as_string(hide_password=False)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _account(host: str) -> int | None:
    """Who may begin it, and may reach the server's socket if it has one."""
    if os.geteuid() != 0:
        return None
    owner = Path(host).stat().st_uid if host.startswith("/") else 0
    return owner or pwd.getpwnam(UNPRIVILEGED).pw_uid


def _wait_for(process: subprocess.Popen[bytes], url: URL, log: Path) -> None:
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with suppress(psycopg.OperationalError):
            return psycopg.connect(plain).close()
        time.sleep(0.05)
    raise AssertionError(log.read_text())
