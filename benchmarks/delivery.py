"""Messages that one worker delivers to a relay on this machine, beside bare SMTP transactions.

python -m benchmarks.delivery
"""

import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

from sqlalchemy import select

from benchmarks.booking import BOOKINGS, book, starts
from benchmarks.clinic import FAR_AHEAD, a_measured_app
from booking.messages.smtp import SmtpTransport
from booking.models import OwedMessage, SentMessage
from booking.models.database import db
from booking.worker import worker_of
from tests.builders import HOUSE
from tests.smtp_sink import SmtpSink

HISTORY = (0, 20_000)


def be_a_relay(line: Connection) -> None:
    """Take mails, in a process of its own, until told to stop."""
    with SmtpSink() as sink:
        line.send(sink.port)
        line.recv()


@contextmanager
def a_relay() -> Iterator[SmtpTransport]:
    """A relay that takes everything."""
    context = get_context("spawn")
    here, there = context.Pipe()
    relay = context.Process(target=be_a_relay, args=(there,))
    relay.start()
    try:
        yield SmtpTransport.from_url(f"smtp://127.0.0.1:{here.recv()}")
    finally:
        here.send("enough")
        relay.join()


def bare(relay: SmtpTransport, mails: list[bytes]) -> float:
    """Seconds that it takes to hand over the same mails with nothing around them."""
    began = time.perf_counter()
    with smtplib.SMTP(relay.host, relay.port) as line:
        for mail in mails:
            line.sendmail("from@clinic.example", ["to@mail.example"], mail)
    return time.perf_counter() - began


def sent() -> list[bytes]:
    """The mails that left."""
    db.session.rollback()
    query = select(SentMessage.sealed).join(OwedMessage, OwedMessage.id == SentMessage.outbox_id)
    return [HOUSE.keys.seal.decrypt(each) for each in db.session.scalars(query)]


def main() -> None:
    """Measure both in one run, so that the ratio holds on any machine."""
    print(f"{'past':>7}{'messages':>10}{'per second':>12}{'bare':>8}{'ratio':>7}{'CPU, ms':>9}")
    for past in HISTORY:
        with a_relay() as relay, a_measured_app(past, FAR_AHEAD, transport=relay) as app:
            for start in starts()[: BOOKINGS // 2]:
                book(start)
            began, worked = time.perf_counter(), time.process_time()
            worker_of(app).turn()
            ours, cpu = time.perf_counter() - began, time.process_time() - worked
            mails = sent()
            without = bare(relay, mails)
            rates = f"{len(mails) / ours:>12.0f}{len(mails) / without:>8.0f}{ours / without:>7.1f}"
            print(f"{past:>7}{len(mails):>10}{rates}{cpu / len(mails) * 1000:>9.1f}")


if __name__ == "__main__":
    main()
