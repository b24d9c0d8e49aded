"""What works in the background: delivers what is owed, and reads what comes in.

Any number of workers may run. Each part is a loop of its own, in a thread of its own, so that a
mailbox or a calendar that hangs holds up no message.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog
from flask import Flask

from booking.messages.mailbox import MailboxAddress
from booking.models.database import end_reading
from booking.services import outbox
from booking.worker.calendars import CalendarReader
from booking.worker.delivery import Worker
from booking.worker.lost_links import LinkAnswerer
from booking.worker.replies import ReplyReader
from booking.worker.retention import Eraser
from booking.worker.waitlist import WaitlistOfferer
from booking.worker.webhooks import WebhookCaller
from booking.worker.welcomes import WelcomeSender

log = structlog.get_logger("worker")

FAREWELL = 5.0
"""Seconds that the readers have to finish what they are doing."""
AFTER_A_FAULT = 60.0


class Reader(Protocol):
    """Something that is done again and again beside the delivery."""

    def turn(self) -> float:
        """Do what is due; returns the seconds to rest before the next turn."""


def worker_of(app: Flask, holder: str | None = None) -> Worker:
    """A worker that delivers through the app's own transport, by its own clock."""
    state = app.extensions["booking"]
    return Worker(
        transport=state.transport,
        renderer=state.renderer,
        keys=state.house.keys,
        base_url=state.settings.base_url,
        mail_from=state.settings.mail_from,
        tagged=state.settings.mail_tags,
        clock=state.clock,
        holder=holder or outbox.new_holder(),
    )


def welcome_sender_of(app: Flask) -> WelcomeSender:
    """Who sends the invitations of members of staff through the app's own transport."""
    state = app.extensions["booking"]
    return WelcomeSender(
        transport=state.transport,
        renderer=state.renderer,
        keys=state.house.keys,
        base_url=state.settings.base_url,
        mail_from=state.settings.mail_from,
        clock=state.clock,
    )


def webhook_caller_of(app: Flask) -> WebhookCaller:
    """Who tells other programs, wherever the app's settings let it go."""
    state = app.extensions["booking"]
    hosts = state.settings.calendar_hosts
    return WebhookCaller(keys=state.house.keys, hosts=hosts, clock=state.clock)


def readers_of(app: Flask) -> list[Reader]:
    """What works beside the delivery: what is read from outside, mails to new staff, lost links."""
    state = app.extensions["booking"]
    readers: list[Reader] = [welcome_sender_of(app), LinkAnswerer(clock=state.clock)]
    readers.append(WaitlistOfferer(house=state.house, clock=state.clock))
    readers.append(Eraser(house=state.house, clock=state.clock))
    if state.settings.reply_imap_url:
        mailbox = MailboxAddress.from_url(state.settings.reply_imap_url)
        readers.append(ReplyReader(mailbox=mailbox, house=state.house, clock=state.clock))
    readers.append(webhook_caller_of(app))
    readers.append(
        CalendarReader(
            keys=state.house.keys,
            our_address=state.settings.mail_from,
            hosts=state.settings.calendar_hosts,
            clock=state.clock,
        )
    )
    return readers


def run(app: Flask, holder: str | None = None) -> None:
    """Run the app's worker in this process until SIGTERM or SIGINT.

    Args:
        holder: The name under which it claims. Who begins it again after its death gives the
            same one, and gives it to nobody else meanwhile.
    """
    worker = worker_of(app, holder)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    with reading(app, readers_of(app)), app.app_context():
        worker.run()


@contextmanager
def reading(app: Flask, readers: list[Reader]) -> Iterator[None]:
    """Let each reader take its turns in a thread until the block ends."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=_repeat, args=(app, each.turn, stop), daemon=True)
        for each in readers
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(FAREWELL)


def _repeat(app: Flask, turn: Callable[[], float], stop: threading.Event) -> None:
    rest = 0.0
    while not stop.wait(rest):
        with app.app_context():
            try:
                rest = turn()
            except Exception as error:  # the loop outlives every fault
                log.error("reader_failed", error=type(error).__name__)
                end_reading()
                rest = AFTER_A_FAULT
