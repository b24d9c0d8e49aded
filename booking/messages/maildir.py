"""Delivery into a folder, for demos and tests: one file per mail, as a mail program reads it."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from .delivery import RelayDown, RelayMisconfigured
from .mail import Mail

_PASSES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE})
"""Faults that go away by themselves or with space; others need a change of a setting."""


@dataclass(frozen=True)
class MaildirTransport:
    """A Maildir; like a relay, it takes the same Message-ID twice."""

    path: Path

    @contextmanager
    def connect(self) -> Iterator["MaildirTransport"]:
        """Make the folders if need be; they are for their owner only."""
        with _faults():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("tmp", "new", "cur"):
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
        yield self

    def send(self, mail: Mail) -> None:
        """Write the mail to ``tmp``, make it durable, then move it to ``new`` in one step.

        Raises:
            RelayDown: if the disk is full or fails.
            RelayMisconfigured: if the folder cannot be written to.
        """
        name = f"{time.time_ns()}.{uuid4().hex}.booking"
        unfinished = self.path / "tmp" / name
        with _faults():
            try:
                _write_durably(unfinished, mail.content)
                unfinished.rename(self.path / "new" / name)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
            _sync_folder(self.path / "new")


def _write_durably(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Make the name durable too, not only the bytes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        text = f"The mail folder cannot be written to: {fault.strerror}."
        if fault.errno in _PASSES:
            raise RelayDown(text) from fault
        raise RelayMisconfigured(text) from fault
