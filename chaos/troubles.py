"""What may befall the service, and is over when it returns."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import choice
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psycopg

from tests.holding import held
from tests.integration.servers import Service, answers, eventually
from tests.postgres import Server

LOCKS = (2.0, 8.0, 30.0)


class Trouble(NamedTuple):
    """Something that befalls the service, and is over when it returns."""

    name: str
    befall: Callable[[Service], object]


VICTIMS: dict[str, Callable[[Service], list[int]]] = {
    "delivery worker": lambda service: [service.delivery_worker()],
    "web worker": Service.web_workers,
    "web master": lambda service: [service.web_master()],
}


def _kill(victim: str) -> Trouble:
    def befall(service: Service) -> None:
        with suppress(ProcessLookupError, IndexError):
            os.kill(choice(VICTIMS[victim](service)), signal.SIGKILL)

    return Trouble(f"{victim} killed", befall)


def _stop_and_begin(service: Service) -> None:
    assert service.end() == 0
    service.begin_again()
    eventually(lambda: answers(service))


def _begin_anew(service: Service) -> None:
    before = service.family()
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: not set(before) & set(service.family()))


KILLS = tuple(
    _kill(each)
    for each in ("delivery worker", "web worker", "delivery worker", "web worker", "web master")
)


RESTARTS = (Trouble("stopped and begun", _stop_and_begin), Trouble("begun anew", _begin_anew))


def locks_on(url: str) -> tuple[Trouble, ...]:
    """Somebody else holds what every booking must lock, ever longer."""

    def locked(seconds: float) -> Trouble:
        def befall(_service: Service) -> None:
            with held(url):
                time.sleep(seconds)

        return Trouble(f"locked for {seconds:.0f} s", befall)

    return tuple(map(locked, LOCKS))


def death_of(server: Server) -> tuple[Trouble, ...]:
    """A database whose machine is gone for a second."""

    def befall(_service: Service) -> None:
        server.kill()
        time.sleep(1)
        server.begin()

    return (Trouble("database killed", befall),)


def succession(primary: Server, standby: Server) -> tuple[Trouble, ...]:
    """A machine that is gone for good, and another that takes its place a second later."""

    def befall(_service: Service) -> None:
        primary.kill()
        time.sleep(1)
        standby.promote()

    return (Trouble("standby took over", befall),)


@contextmanager
def a_durable_server(follows: Server | None = None) -> Iterator[Server]:
    """A PostgreSQL that has what it acknowledged on the disk, as it is without being told."""
    with TemporaryDirectory(prefix="booking-postgres-") as folder:
        server = Server(Path(folder), follows=follows)
        server.begin()
        try:
            yield server
        finally:
            server.end()


@contextmanager
def a_synchronous_pair() -> Iterator[tuple[Server, Server]]:
    """A primary that acknowledges what its standby has on the disk too, and that standby."""
    with a_durable_server() as primary, a_durable_server(follows=primary) as standby:
        with psycopg.connect(primary.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            assert eventually(lambda: _is_followed(connection))
        yield primary, standby


def _is_followed(connection: psycopg.Connection) -> bool:
    query = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
    return connection.execute(query).fetchall() == [(1,)]
