"""The socket on which visitors come in, which outlives whoever answers them."""

import errno
import os
import signal
import socket
import sys
from typing import NoReturn

from gunicorn import systemd

from booking.settings import Settings

BACKLOG = 2048
"""So many may wait to be let in, as with gunicorn."""


class CannotListenError(Exception):
    """The port cannot be used; the text is for the operator."""


def listen(settings: Settings) -> socket.socket:
    """The socket that we were given by who ran before us, or by systemd; otherwise one of our own.

    Raises:
        CannotListenError: if the port is taken, or not ours to take.
    """
    if systemd.listen_fds():
        given = socket.socket(fileno=systemd.SD_LISTEN_FDS_START)
        given.set_inheritable(False)
        return given
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.bind, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise CannotListenError(
                f"BOOKING_BIND names no address of this machine: {settings.bind}."
            ) from error
        raise CannotListenError(
            f"Port {settings.port} on {settings.bind} cannot be used: {error.strerror}. "
            "Set BOOKING_PORT to another."
        ) from error
    return listener


def begin_anew(listener: socket.socket) -> NoReturn:
    """Become the program that lies on the disk now, as the same process and with the same socket.

    It is handed over as systemd hands over a socket: sd_listen_fds(3). Who is told to begin anew
    while it begins does so once more when it has begun, instead of dying of it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    os.dup2(listener.fileno(), systemd.SD_LISTEN_FDS_START)
    os.set_inheritable(systemd.SD_LISTEN_FDS_START, True)
    os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
