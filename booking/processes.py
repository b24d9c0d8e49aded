"""A parent that does nothing but watch its children: begun again when they die, ended with it."""

import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

import structlog

log = structlog.get_logger("serve")

GRACE = 15.0
"""Seconds that children have to finish what they are doing."""
CALM = 5.0
"""A child that lived shorter than this is begun again only after a pause."""
TERMINAL = 0
"""Standard input: a terminal where somebody sits and watches."""
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl(2)."""
SELDOM = (10_000, 10, 10)
"""After so many more new objects than gone ones garbage is looked for. A booking makes thousands,
hardly any of them garbage in a circle: at Python's 700 one twentieth of the time goes there."""


def keep_what_is_loaded() -> None:
    """Never look for garbage among what there is now, and seldom among what comes."""
    gc.freeze()
    gc.set_threshold(*SELDOM)
    gc.enable()


class Family:
    """The children of one parent: begun again when they die, ended when it is told to end."""

    def __init__(self, **children: Callable[[], object]) -> None:
        self._children = children
        self._running: dict[int, str] = {}
        self._began: dict[str, float] = {}
        self._stopping = self._anew = False

    def live(self) -> bool:
        """Until a signal says otherwise; returns whether it says to begin anew.

        SIGHUP does, as it is with servers, except on a terminal, where it says that that is gone.
        """
        for number in STOPS:
            signal.signal(number, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        for name in self._children:
            self._begin(name)
        while not self._stopping:
            self._reap()
            time.sleep(0.2)
        return self._anew

    def end(self) -> None:
        """Let the children finish what they are doing, if it does not take them too long."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while self._running and time.monotonic() < deadline:
            for pid in list(self._running):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del self._running[pid]
            time.sleep(0.05)
        for name in self._running.values():
            log.error("child_killed", child=name)
        self._signal(signal.SIGKILL)

    def _begin(self, name: str) -> None:
        # What a child hears before it has ways of its own would be taken for a word to the parent.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        pid = os.fork()
        if pid == 0:
            _be_a_child(self._children[name])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        self._running[pid] = name
        self._began[name] = time.monotonic()

    def _reap(self) -> None:
        for pid, name in list(self._running.items()):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
            del self._running[pid]
            log.error("child_died", child=name)
            if time.monotonic() - self._began[name] < CALM:
                time.sleep(1)
            if not self._stopping:
                self._begin(name)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if not self._stopping:
            self._anew = number == signal.SIGHUP and not os.isatty(TERMINAL)
        elif number != signal.SIGHUP:
            self._anew = False
        self._stopping = True

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._running:
            os.kill(pid, number)


def _be_a_child(work: Callable[[], object]) -> None:
    """Do the work of a child and end; the parent's death ends it too."""
    status = 1
    try:
        for number in STOPS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        die_with_parent()
        sys.argv = ["booking"]
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(status)


def die_with_parent() -> None:
    """Be told to stop when the parent ends, however it ends; a fork forgets it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(DIE_WITH_PARENT, signal.SIGTERM)
