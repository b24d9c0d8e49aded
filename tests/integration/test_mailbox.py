"""The mailbox for answers, on a real IMAP server: read in order, once, and left as it was."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.app import utc_now
from booking.messages.incoming.reading import LARGEST
from booking.messages.mailbox import MailboxAddress, MailboxFault
from booking.models import Appointment, ReceivedMail, ReplyMailbox
from booking.models.database import db, transaction
from booking.services.replies import receive
from booking.worker import readers_of
from booking.worker import replies as reading
from booking.worker.replies import REST, RESTS_AFTER_FAULTS, ReplyReader
from tests import dovecot
from tests.answers import a_mail, an_answer, uid_of
from tests.builders import HOUSE, NOW, Clock, an_appointment
from tests.conftest import settings_for
from tests.dovecot import Dovecot
from tests.ports import free_port
from tests.visits import a_member_of_staff, get, sign_in


@pytest.fixture(scope="module")
def running() -> Iterator[Dovecot]:
    if not dovecot.is_installed():
        if os.environ.get("CI") == "true":
            pytest.fail("dovecot-imapd is not installed")
        pytest.skip("dovecot-imapd is not installed")
    with dovecot.server() as server:
        yield server


@pytest.fixture
def server(running: Dovecot) -> Dovecot:
    """The server with an empty mailbox."""
    return running.mailbox()


def a_reader(server: Dovecot, after: str = "keep", *, now: datetime = NOW) -> ReplyReader:
    mailbox = MailboxAddress.from_url(f"{server.url}?after={after}")
    return ReplyReader(mailbox=mailbox, house=HOUSE, clock=Clock(now))


def verdicts() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(ReceivedMail.verdict).order_by(ReceivedMail.id)))


def place() -> ReplyMailbox:
    db.session.rollback()
    return db.session.scalars(select(ReplyMailbox)).one()


def test_answers_are_read_in_order_and_each_once(app: Flask, server: Dovecot) -> None:
    with transaction() as session:
        made = an_appointment(session, "Tue 09:00").id
    server.deliver(an_answer(uid_of(made), "DECLINED"))
    server.deliver(an_answer(uid_of(made), "ACCEPTED", stamped="20261123T140000Z"))
    reader = a_reader(server)

    rests = [reader.turn() for _ in range(3)]

    assert rests == [REST] * 3
    assert verdicts() == ["applied", "applied"]
    assert db.session.get_one(Appointment, made).partstat == "ACCEPTED"
    assert (place().last_uid, place().checked_at, place().last_error) == (2, NOW, "")
    assert app.extensions["booking"].settings.reply_imap_url is None


@pytest.mark.usefixtures("sqlite_app")
@pytest.mark.parametrize(
    ("after", "flags"), [("keep", ["", ""]), ("seen", ["S", "S"]), ("delete", [])]
)
def test_the_mailbox_is_left_as_it_was_unless_told_otherwise(
    server: Dovecot, after: str, flags: list[str]
) -> None:
    for _ in range(2):
        server.deliver(a_mail())

    a_reader(server, after).turn()

    assert verdicts() == ["message", "message"]
    assert [name.partition(":2,")[2] for name in server.names()] == flags


@pytest.mark.usefixtures("sqlite_app")
def test_the_first_look_leaves_an_old_mailbox_in_peace(server: Dovecot) -> None:
    server.deliver(a_mail(), days_ago=30)
    server.deliver(a_mail())

    a_reader(server, now=utc_now()).turn()

    assert verdicts() == ["message"]


@pytest.mark.usefixtures("sqlite_app")
def test_a_person_who_reads_along_hides_nothing(server: Dovecot) -> None:
    server.deliver(a_mail())
    server.mark_as_seen()

    a_reader(server).turn()

    assert verdicts() == ["message"]


@pytest.mark.usefixtures("sqlite_app")
def test_what_another_marked_for_deletion_is_not_deleted_along(server: Dovecot) -> None:
    server.deliver(a_mail("Not ours to delete."))
    reader = a_reader(server, "delete")
    reader.turn()
    server.deliver(a_mail("Marked by a person."))
    a_reader(server).turn()  # another one has read it
    server.flag(2, r"(\Deleted)")
    server.deliver(a_mail("Read and deleted."))

    reader.turn()

    assert len(server.names()) == 1


@pytest.mark.usefixtures("sqlite_app")
def test_a_mailbox_that_is_numbered_anew_is_read_anew_and_nothing_twice(server: Dovecot) -> None:
    mails = [a_mail() for _ in range(3)]
    for each in mails:
        server.deliver(each)
    reader = a_reader(server)
    reader.turn()
    before = place().uid_validity

    server.clear()
    for each in (*mails, a_mail()):
        server.deliver(each)
    reader.turn()

    assert place().uid_validity != before
    assert place().last_uid == 4
    assert len(verdicts()) == 4


@pytest.mark.usefixtures("sqlite_app")
def test_who_dies_before_the_end_reads_the_mail_again(
    server: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.deliver(a_mail())
    reader = a_reader(server, "delete")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reading, "place_in", die)  # the process ends between storing and moving on
        with pytest.raises(KeyboardInterrupt):
            reader.turn()
    assert (verdicts(), len(server.names())) == ([], 1)
    reader.turn()

    assert (verdicts(), server.names()) == (["message"], [])


@pytest.mark.usefixtures("sqlite_app")
def test_a_mail_that_trips_us_does_not_hold_up_those_behind_it(
    server: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursed = a_mail("cursed")

    def trip(session: Any, incoming: Any, raw: bytes, *more: Any, **options: Any) -> ReceivedMail:
        if b"cursed" in raw and incoming.text:
            raise ZeroDivisionError
        return receive(session, incoming, raw, *more, **options)

    monkeypatch.setattr(reading, "receive", trip)
    for raw in (cursed, a_mail()):
        server.deliver(raw)

    a_reader(server).turn()

    assert verdicts() == ["unreadable", "message"]


@pytest.mark.usefixtures("sqlite_app")
def test_of_a_huge_mail_only_the_beginning_is_fetched(server: Dovecot) -> None:
    server.deliver(a_mail("x" * 3 * LARGEST))
    address = MailboxAddress.from_url(server.url)

    with address.open() as opened:
        raw = opened.fetch(1)

    assert raw is not None
    assert len(raw) == LARGEST


@pytest.mark.usefixtures("sqlite_app")
def test_a_full_mailbox_is_read_in_batches(
    server: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 3)
    for _ in range(7):
        server.deliver(a_mail())
    reader = a_reader(server)

    assert [reader.turn() for _ in range(3)] == [0.0, 0.0, REST]
    assert len(verdicts()) == 7


@pytest.mark.usefixtures("sqlite_app")
def test_a_mailbox_that_is_away_is_asked_ever_more_rarely_and_the_fault_noted() -> None:
    url = f"imap://name:word@127.0.0.1:{free_port()}/"
    reader = ReplyReader(mailbox=MailboxAddress.from_url(url), house=HOUSE, clock=Clock())

    rests = [reader.turn() for _ in range(6)]

    assert rests == [*RESTS_AFTER_FAULTS, RESTS_AFTER_FAULTS[-1]]
    assert place().failing_since == NOW
    assert place().last_error == "The mailbox cannot be reached: Connection refused."


@pytest.mark.usefixtures("sqlite_app")
def test_a_mailbox_that_is_back_is_read_and_the_fault_forgotten(server: Dovecot) -> None:
    reader = a_reader(server)
    there = MailboxAddress.from_url(server.url)
    reader._mailbox = replace(there, password="wrong")
    reader.turn()
    server.deliver(a_mail())
    reader._mailbox = there

    reader.turn()

    assert verdicts() == ["message"]
    assert (place().failing_since, place().last_error) == (None, "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "wrong"}, "The mailbox refuses the user or the password."),
        ({"password": "wröng"}, "The mailbox refuses the user or the password."),
        ({"folder": "Nowhere"}, "The mailbox has no such folder."),
        ({"security": "tls"}, "The mailbox cannot be reached"),
    ],
)
def test_a_fault_is_told_without_the_secrets(
    server: Dovecot, changes: dict[str, Any], words: str
) -> None:
    address = replace(MailboxAddress.from_url(server.url), **changes)

    with pytest.raises(MailboxFault, match=words) as fault, address.open():
        pass

    assert server.name not in str(fault.value) + repr(address)
    assert dovecot.PASSWORD not in repr(address)


def test_staff_are_told_when_answers_are_not_read(client: FlaskClient, clock: Clock) -> None:
    url = f"imap://name:word@127.0.0.1:{free_port()}/"
    ReplyReader(mailbox=MailboxAddress.from_url(url), house=HOUSE, clock=clock).turn()
    a_member_of_staff()
    sign_in(client)

    assert "Answers are not being read" not in get(client, "/staff/").text
    clock.now += timedelta(minutes=14)
    get(client, "/staff/")
    clock.now += timedelta(minutes=2)
    assert "Answers are not being read" in get(client, "/staff/").text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("imaps://host/INBOX", "must give a user and a password"),
        ("imap://u:p@mail.example/", "unencrypted"),
        ("pop3://u:p@mail.example/", "must begin with imaps"),
        ("imaps://u:p@mail.example/?after=burn", "after=keep"),
        ("imaps://u:p@mail.example/?delete=1", "after=keep"),
        ("imaps://u:sec/ret@mail.example:x/", "must be like"),
        ("imaps://u:p@/", "must be like"),
    ],
)
def test_a_setting_that_cannot_be_meant_stops_the_start(url: str, words: str) -> None:
    with pytest.raises(Exception, match=words) as refusal:
        settings_for("sqlite:///x.db", BOOKING_REPLY_IMAP_URL=url)

    assert str(refusal.value).startswith("BOOKING_REPLY_IMAP_URL is wrong: ")
    assert "sec/ret" not in str(refusal.value)


def test_the_address_is_read_as_it_is_written() -> None:
    address = MailboxAddress.from_url("imaps://a%40b:c%2Fd@Mail.example/INBOX/Answers?after=seen")

    assert (address.host, address.port, address.security) == ("mail.example", 993, "tls")
    assert (address.user, address.password) == ("a@b", "c/d")
    assert (address.folder, address.after) == ("INBOX/Answers", "seen")
    assert address.name == replace(address, password="another").name


def test_the_worker_reads_the_mailbox_that_is_set(sqlite_app: Flask) -> None:
    state = sqlite_app.extensions["booking"]
    settings = replace(state.settings, reply_imap_url="imaps://a:b@mail.example/")
    before = len(readers_of(sqlite_app))
    sqlite_app.extensions["booking"] = replace(state, settings=settings)

    added = readers_of(sqlite_app)

    assert len(added) == before + 1
    assert any(isinstance(each, ReplyReader) for each in added)
