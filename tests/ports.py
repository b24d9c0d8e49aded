"""Ports for what the tests start."""

import os
import socket
from collections.abc import Iterator
from random import randrange

RUNNERS = 16
FIRST, AFTER_LAST = 20_000, 32_000
"""Below those that a system takes for who calls somebody else (Linux: 32768 and above)."""


def free_port() -> int:
    """A port that nobody listens on, and that nobody else who asks is given.

    One that the system chooses, and forgets at once, may be chosen again before it is used.
    """
    return next(port for port in _PORTS if _is_free(port))


def _in_turn() -> Iterator[int]:
    """Every port of this process, round and round: the runners beside it have their own."""
    runner = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    mine = range(FIRST + runner % RUNNERS, AFTER_LAST, RUNNERS)
    first = randrange(len(mine))
    while True:
        yield from (*mine[first:], *mine[:first])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


_PORTS = _in_turn()
