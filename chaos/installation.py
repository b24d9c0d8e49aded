"""Many processes as their operators begin them: web servers behind a balancer, workers, a crowd.

They share nothing but the database.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from tests import nginx
from tests.integration.servers import GONE, Client, environment, eventually
from tests.ports import free_port

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-m", "flask", "--app", "wsgi")
PATIENCE = 30.0
BALANCER = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/nginx.log crit;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream booking {{
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://booking;
            proxy_set_header Host $host;
        }}
    }}
}}
"""


@contextmanager
def installation(
    database_url: str, folder: Path, *, smtp_port: int, webs: int, workers: int
) -> Iterator[Client]:
    """So many web servers and workers on one database; gives who speaks with the balancer."""
    smtp = {"BOOKING_SMTP_URL": f"smtp://127.0.0.1:{smtp_port}"}
    ports = [free_port() for _ in range(webs)]
    with ExitStack() as everybody:
        for port in ports:
            settings = {"BOOKING_PORT": port, "BOOKING_WEB_WORKERS": 1, **smtp}
            everybody.enter_context(_running(database_url, folder, "web", settings))
        for _ in range(workers):
            everybody.enter_context(_running(database_url, folder, "worker", smtp))
        for port in ports:
            wait_for(Client(port))
        yield everybody.enter_context(balancer(ports, folder))


@contextmanager
def balancer(ports: Sequence[int], folder: Path) -> Iterator[Client]:
    """An nginx that gives each request to the next of the web servers."""
    servers = "\n        ".join(f"server 127.0.0.1:{each};" for each in ports)
    port, path = free_port(), folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    path.write_text(BALANCER.format(folder=folder, port=port, servers=servers, user=user))
    command: list[str | Path] = [
        nginx.BINARY or "nginx",
        "-p",
        folder,
        "-c",
        path,
        "-e",
        folder / "early",
    ]
    with running(command, folder / "nginx.said"):
        wait_for(Client(port))
        yield Client(port)


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    *,
    environ: dict[str, str] | None = None,
    user: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended at the end; what it says goes to the log."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdout=output, stderr=output, user=user
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(client: Client) -> None:
    """Until a web server answers."""

    def answers() -> bool:
        try:
            return client.get("/healthz").status == 200
        except GONE:
            return False

    eventually(answers)


def check(database_url: str) -> str:
    """What `flask check` finds; empty if all is well."""
    done = subprocess.run(
        (*COMMAND, "check"),
        cwd=ROOT,
        env=environment(database_url),
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def until(look: Callable[[], bool], *, within: float) -> bool:
    """Whether it comes about in time."""
    deadline = time.monotonic() + within
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _running(
    database_url: str, folder: Path, name: str, settings: Mapping[str, object]
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    environ = environment(database_url, **settings)
    return running((*COMMAND, name), folder / "booking.log", environ=environ)
