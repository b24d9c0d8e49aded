"""A primary and a synchronous standby under Patroni and etcd, and HAProxy that finds the primary.

All of the distribution's packages, as an account without rights, on ports of this machine.
"""

import http.client
import json
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from chaos.installation import running
from tests.integration.servers import children_of, eventually
from tests.ports import free_port

PROGRAMS = ("etcd", "patroni", "haproxy")
ACCOUNT = "postgres"
TTL, LOOP, RETRY = 20, 2, 4
"""Seconds: TTL is how long a primary may be silent before another takes over."""
BEGINS_WITHIN = 60.0
CONFIGURATION = """
scope: booking
name: {name}
restapi: {{listen: "127.0.0.1:{api}", connect_address: "127.0.0.1:{api}"}}
etcd3: {{host: "127.0.0.1:{etcd}"}}
bootstrap:
  dcs:
    ttl: {ttl}
    loop_wait: {loop}
    retry_timeout: {retry}
    synchronous_mode: true
    master_start_timeout: 0
    postgresql: {{use_pg_rewind: true, parameters: {{max_connections: 100}}}}
  initdb: [encoding: UTF8, auth-local: trust, auth-host: trust]
  pg_hba: ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
postgresql:
  listen: "127.0.0.1:{port}"
  connect_address: "127.0.0.1:{port}"
  data_dir: {folder}/{name}
  bin_dir: {programs}
  pgpass: {folder}/{name}.pgpass
  authentication:
    superuser: {{username: postgres}}
    replication: {{username: replicator}}
    rewind: {{username: postgres}}
  parameters: {{unix_socket_directories: "{folder}"}}
"""
PROXY = """
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h

listen postgres
    bind 127.0.0.1:{port}
    option httpchk GET /primary
    http-check expect status 200
    default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""


@dataclass
class Node:
    """One machine: a PostgreSQL and the Patroni that looks after it."""

    name: str
    port: int
    api: int
    folder: Path

    def role(self) -> str:
        """What it is just now: primary, sync, or nothing yet."""
        for role in ("primary", "sync"):
            if self._says(f"/{role}") == 200:
                return role
        return ""

    def wait_until(self, role: str) -> None:
        """Until it is that."""
        eventually(lambda: self.role() == role, within=BEGINS_WITHIN)

    @contextmanager
    def begun(self) -> Iterator[subprocess.Popen[bytes]]:
        """Patroni, which begins PostgreSQL; both end at the end."""
        configuration = self.folder / f"{self.name}.yml"
        log = self.folder / f"{self.name}.log"
        with running(["patroni", configuration], log, user=_account()) as process:
            try:
                yield process
            finally:
                process.terminate()  # it stops PostgreSQL before it ends
                process.wait(BEGINS_WITHIN)
                self.kill_server()

    def kill(self, patroni: subprocess.Popen[bytes]) -> None:
        """As if somebody had pulled the plug: both at once, with everything that they began."""
        patroni.kill()
        self.kill_server()
        patroni.wait()

    def kill_server(self) -> None:
        """PostgreSQL and each of its processes, with SIGKILL."""
        pids = self.folder / self.name / "postmaster.pid"
        with suppress(FileNotFoundError, IndexError):
            pid = int(pids.read_text().splitlines()[0])
            for each in (pid, *children_of(pid)):
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)

    def timeline(self) -> int:
        """How many servers have written before this one, and itself."""
        with suppress(OSError, http.client.HTTPException):
            return int(json.loads(self._ask("/patroni")[1]).get("timeline", 0))
        return 0

    def _says(self, path: str) -> int:
        try:
            return self._ask(path)[0]
        except (OSError, http.client.HTTPException):
            return 0

    def _ask(self, path: str) -> tuple[int, bytes]:
        line = http.client.HTTPConnection("127.0.0.1", self.api, timeout=3)
        try:
            line.request("GET", path)
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()


@dataclass
class Pair:
    """Two machines, of which one writes; and where to find the one."""

    nodes: list[Node]
    patronis: dict[str, subprocess.Popen[bytes]]
    proxy_port: int

    def primary(self) -> Node:
        return next(each for each in self.nodes if each.role() == "primary")

    def kill_primary(self) -> Node:
        """Pull its plug; gives the one that is left."""
        victim = self.primary()
        victim.kill(self.patronis[victim.name])
        return next(each for each in self.nodes if each is not victim)

    def kill_primary_server(self) -> Node:
        """Kill PostgreSQL alone, whose Patroni lives; gives the other node."""
        victim = self.primary()
        victim.kill_server()
        return next(each for each in self.nodes if each is not victim)

    def timeline(self) -> int:
        """Above 1 once another has taken over."""
        return max(each.timeline() for each in self.nodes)

    def by_proxy(self, name: str) -> str:
        """The address of a database by HAProxy."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.proxy_port}/{name}"

    def by_names(self, name: str) -> str:
        """The address by both machines' own, of which the driver takes the one that writes."""
        hosts = ",".join("127.0.0.1" for _ in self.nodes)
        ports = ",".join(str(each.port) for each in self.nodes)
        where = f"host={hosts}&port={ports}&target_session_attrs=read-write"
        return f"postgresql+psycopg://postgres@/{name}?{where}"


def missing() -> list[str]:
    """Which programs are not here."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    return [each for each in PROGRAMS if shutil.which(each, path=path) is None]


@contextmanager
def a_pair(folder: Path) -> Iterator[Pair]:
    """Both, in step with each other, and HAProxy before them."""
    if (account := _account()) is not None:
        os.chown(folder, account, -1)
    with ExitStack() as everybody:
        etcd = everybody.enter_context(_etcd(folder))
        nodes = [Node(name, free_port(), free_port(), folder) for name in ("one", "two")]
        patronis = {}
        for node, role in zip(nodes, ("primary", "sync"), strict=True):
            _configure(node, etcd)
            patronis[node.name] = everybody.enter_context(node.begun())
            node.wait_until(role)
        yield Pair(nodes, patronis, everybody.enter_context(_proxy(nodes, folder)))


@contextmanager
def _etcd(folder: Path) -> Iterator[int]:
    client, peer = (free_port() for _ in range(2))
    ours, theirs = (f"http://127.0.0.1:{each}" for each in (client, peer))
    command = [
        *("etcd", "--data-dir", f"{folder}/etcd"),
        *("--listen-client-urls", ours, "--advertise-client-urls", ours),
        *("--listen-peer-urls", theirs, "--initial-advertise-peer-urls", theirs),
        *("--initial-cluster", f"default={theirs}"),
    ]
    with running(command, folder / "etcd.log", user=_account()):
        yield client


@contextmanager
def _proxy(nodes: list[Node], folder: Path) -> Iterator[int]:
    port, path = free_port(), folder / "haproxy.cfg"
    servers = "\n".join(
        f"    server {each.name} 127.0.0.1:{each.port} check port {each.api}" for each in nodes
    )
    path.write_text(PROXY.format(port=port, servers=servers))
    binary = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "haproxy"
    with running([binary, "-f", path], folder / "haproxy.log", user=_account()):
        yield port


def _configure(node: Node, etcd: int) -> None:
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    text = CONFIGURATION.format(
        name=node.name,
        port=node.port,
        api=node.api,
        folder=node.folder,
        etcd=etcd,
        programs=programs,
        ttl=TTL,
        loop=LOOP,
        retry=RETRY,
    )
    (node.folder / f"{node.name}.yml").write_text(text)


def _account() -> int | None:
    """PostgreSQL refuses to run as root."""
    return pwd.getpwnam(ACCOUNT).pw_uid if os.geteuid() == 0 else None
