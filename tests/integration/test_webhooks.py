"""Other programs are told of appointments: once each, in order, signed, and not who comes."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from hmac import digest
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from booking.domain.lifecycle import Verb
from booking.models import Appointment, AuditEntry, Event, OwedCall, OwedMessage, Webhook
from booking.models.database import db, transaction
from booking.services import calls, upkeep, webhooks
from booking.services.appointments import (
    cancel_appointment,
    note_attendance,
    reschedule_appointment,
)
from booking.services.people import Deed
from booking.services.retention import erase
from booking.services.webhooks import NewWebhook
from booking.worker.webhooks import WebhookCaller
from tests.builders import HOUSE, NOW, Clock, Mailbox, an_appointment, at
from tests.conftest import a_running_app, settings_for
from tests.pages import page_of
from tests.receiver import Heard, Receiver, receiver
from tests.visits import DESK, a_member_of_staff, get, send, sign_in

DEED = Deed(DESK, NOW, HOUSE)


@pytest.fixture
def program() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def told(program: Receiver, *events: Event, with_patient: bool = False) -> str:
    """Let the program be told; its secret."""
    new = NewWebhook(program.url, events or tuple(Event), with_patient)
    with transaction() as session:
        return webhooks.add(session, new, DEED)[1]


def call_all(program: Receiver, clock: Clock, *, most: int = 20) -> None:
    """Let the worker make every call that is due."""
    caller = WebhookCaller(keys=HOUSE.keys, hosts=[program.host], clock=clock)
    for _ in range(most):
        if caller.turn() > 0:
            db.session.rollback()
            return
    raise AssertionError("there is no end to it")


def book(start: str = "Tue 09:00") -> int:
    with transaction() as session:
        made = an_appointment(session, start)
        session.flush()
        return made.id


def change(number: int, what: Any, *more: Any, now: Any = NOW, **named: Any) -> None:
    with transaction() as session:
        what(session, session.get_one(Appointment, number), *more, HOUSE, now=now, **named)


def bodies(program: Receiver) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in program.heard]


def is_signed(heard: Heard, secret: str) -> bool:
    """As the specification of Standard Webhooks has receivers look."""
    content = f"{heard.headers['webhook-id']}.{heard.headers['webhook-timestamp']}.".encode()
    key = b64decode(secret.removeprefix("whsec_"))
    mac = b64encode(digest(key, content + heard.body, sha256)).decode()
    return f"v1,{mac}" in heard.headers["webhook-signature"].split(" ")


def the_call() -> OwedCall:
    db.session.rollback()
    return db.session.scalars(select(OwedCall).order_by(OwedCall.id.desc()).limit(1)).one()


def the_webhook() -> Webhook:
    db.session.rollback()
    return db.session.scalars(select(Webhook)).one()


def test_a_program_hears_of_each_change_and_not_who_comes(
    app: Flask, program: Receiver, clock: Clock
) -> None:
    assert app
    secret = told(program)
    number = book("Mon 10:00")
    call_all(program, clock)
    change(number, reschedule_appointment, at("Mon 11:00"))
    call_all(program, clock)
    change(number, note_attendance, Verb.ARRIVE, actor="desk")
    call_all(program, clock)

    heard = bodies(program)

    assert [each["type"] for each in heard] == [
        "appointment.booked",
        "appointment.rescheduled",
        "appointment.attendance",
    ]
    assert set(heard[0]["data"]) == {
        "reference", "status", "service", "practitioner", "start", "end", "sequence",
    }  # fmt: skip
    assert heard[1]["data"]["start"] == "2026-11-23T16:00:00Z"
    assert heard[2]["data"]["status"] == "arrived"
    assert all(is_signed(each, secret) for each in program.heard)
    assert b"Sam" not in b"".join(each.body for each in program.heard)


def test_a_program_hears_who_comes_where_that_is_wanted_and_the_trail_says_so(
    app: Flask, program: Receiver, clock: Clock
) -> None:
    assert app
    told(program, with_patient=True)
    book()

    call_all(program, clock)

    assert bodies(program)[0]["data"]["patient"]["name"] == "Sam Rivers"
    entry = select(AuditEntry.fields).where(AuditEntry.action == "webhook.add")
    assert "with_patient" in db.session.scalars(entry).one()


def test_a_program_hears_only_of_what_it_wants(app: Flask, program: Receiver, clock: Clock) -> None:
    assert app
    told(program, Event.CANCELLED)
    number = book()
    change(number, cancel_appointment)

    call_all(program, clock)

    assert [each["type"] for each in bodies(program)] == ["appointment.cancelled"]


def test_nothing_is_owed_while_nobody_is_told(app: Flask) -> None:
    assert app
    book()

    assert db.session.scalar(select(func.count(OwedCall.id))) == 0


def test_a_change_that_is_rolled_back_is_told_to_nobody(
    app: Flask, program: Receiver, clock: Clock
) -> None:
    assert app
    told(program)
    with pytest.raises(RuntimeError), transaction() as session:
        an_appointment(session, "Tue 09:00")
        raise RuntimeError

    call_all(program, clock)

    assert program.heard == []


def test_what_a_newer_change_has_overtaken_is_dropped(
    app: Flask, program: Receiver, clock: Clock
) -> None:
    assert app
    told(program)
    number = book()
    change(number, reschedule_appointment, at("Tue 11:00"))
    change(number, cancel_appointment)

    call_all(program, clock)

    (only,) = bodies(program)
    assert (only["type"], only["data"]["status"]) == ("appointment.cancelled", "cancelled")


def test_what_is_not_taken_is_told_again_under_the_same_id(
    app: Flask, program: Receiver, clock: Clock
) -> None:
    assert app
    told(program)
    book()
    program.status = 503
    call_all(program, clock)
    program.status = 200
    call_all(program, clock)
    clock.now += timedelta(minutes=1)
    call_all(program, clock)

    first, second = program.heard

    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert the_call().sent_at == clock.now
    assert (the_webhook().failing_since, the_webhook().last_error) == (None, "")


def test_a_worker_that_dies_is_followed_by_another(
    app: Flask, program: Receiver, clock: Clock
) -> None:
    assert app
    told(program)
    book()
    with transaction() as session:
        assert calls.claim(session, keys=HOUSE.keys, hosts=[], now=clock.now)
    call_all(program, clock)
    meanwhile = len(program.heard)
    clock.now += calls.LEASE

    call_all(program, clock)

    assert (meanwhile, len(program.heard)) == (0, 1)


def test_who_settles_too_late_changes_nothing(app: Flask, program: Receiver, clock: Clock) -> None:
    assert app
    told(program)
    book()
    with transaction() as session:
        first = calls.claim(session, keys=HOUSE.keys, hosts=[], now=clock.now)
    clock.now += calls.LEASE
    with transaction() as session:
        assert first
        assert calls.claim(session, keys=HOUSE.keys, hosts=[], now=clock.now)
        calls.took(session, first, now=clock.now)

    assert the_call().settled_at is None


def test_what_nobody_takes_for_a_day_is_given_up(
    app: Flask, program: Receiver, clock: Clock
) -> None:
    assert app
    told(program)
    book()
    program.status = 500
    for _ in range(30):
        call_all(program, clock)
        clock.now += timedelta(hours=1)

    call = the_call()

    assert call.failed_at is not None
    assert call.failed_at - call.due_at > timedelta(hours=22)
    assert the_webhook().last_error == "The other side answered 500."
    assert webhooks.counts(db.session())[1].given_up == 1


def test_an_address_that_fails_for_days_is_paused_and_owed_nothing_more(
    app: Flask, program: Receiver, clock: Clock
) -> None:
    assert app
    told(program)
    program.status = 500
    for day in ("Tue 09:00", "Tue 10:00", "Tue 11:00", "Tue 13:00"):
        with transaction() as session:
            for call in session.scalars(select(OwedCall).where(OwedCall.settled_at.is_(None))):
                call.due_at = clock.now
        book(day)
        call_all(program, clock)
        clock.now += timedelta(hours=25)

    before = the_webhook().paused_at
    book("Wed 09:00")

    assert before is not None
    assert db.session.scalar(select(func.count()).where(OwedCall.settled_at.is_(None))) == 0
    assert len(webhooks.failing(db.session(), now=clock.now)) == 1


def test_an_address_that_says_it_is_gone_is_paused_at_once_until_it_is_resumed(
    app: Flask, program: Receiver, clock: Clock
) -> None:
    assert app
    told(program)
    book()
    program.status = 410
    call_all(program, clock)
    gone = the_webhook().paused_at
    with transaction() as session:
        webhooks.resume(session, 1, DEED)
    program.status = 200
    book("Tue 10:00")

    call_all(program, clock)

    assert gone == clock.now
    trail = select(AuditEntry.actor, AuditEntry.action).order_by(AuditEntry.number)
    acts = ("webhook.pause", "webhook.resume")
    stands = [(actor, act) for actor, act in db.session.execute(trail) if act in acts]
    assert stands == [("system", acts[0]), (DESK, acts[1])]
    assert (len(program.heard), the_call().sent_at) == (2, clock.now)


def test_an_address_that_hangs_rests_while_others_are_told(
    app: Flask, program: Receiver, clock: Clock
) -> None:
    assert app
    with receiver() as broken:
        broken.status = 500
        told(broken)
        told(program)
        for hour in (9, 10, 11):
            book(f"Tue {hour:02}:00")
        hosts = [program.host, broken.host]
        caller = WebhookCaller(keys=HOUSE.keys, hosts=hosts, clock=clock)
        while caller.turn() == 0:
            pass

        assert (len(broken.heard), len(program.heard)) == (1, 3)


def test_no_inner_address_is_called_unless_the_clinic_says_so(
    app: Flask, program: Receiver, clock: Clock
) -> None:
    assert app
    program_url = program.url.replace("http://", "https://")
    with transaction() as session:
        webhooks.add(session, NewWebhook(program_url, tuple(Event), with_patient=False), DEED)
    book()

    assert WebhookCaller(keys=HOUSE.keys, hosts=[], clock=clock).turn() == 0

    assert program.heard == []
    assert "inner network" in the_webhook().last_error


def test_no_redirect_is_followed(app: Flask, program: Receiver, clock: Clock) -> None:
    assert app
    told(program)
    book()
    program.status, program.location = 307, program.url

    call_all(program, clock)

    assert len(program.heard) == 1
    assert the_webhook().last_error == "The other side answered 307."


def test_both_secrets_sign_while_one_gives_way_to_the_other(
    app: Flask, program: Receiver, clock: Clock
) -> None:
    assert app
    old = told(program)
    with transaction() as session:
        _, new = webhooks.renew(session, 1, NOW, timedelta(hours=1), DEED)
    book()
    call_all(program, clock)
    clock.now += timedelta(hours=2)
    book("Tue 10:00")
    call_all(program, clock)

    during, after = program.heard

    assert is_signed(during, old)
    assert is_signed(during, new)
    assert not is_signed(after, old)
    assert is_signed(after, new)


def test_the_database_holds_neither_address_nor_secret(app: Flask, program: Receiver) -> None:
    assert app
    secret = told(program)
    found = the_webhook()

    for column in (found.sealed_url, found.sealed_secret):
        assert secret.encode() not in column
        assert b"key=abc" not in column


def test_what_is_erased_is_owed_to_nobody_and_what_was_told_is_forgotten(
    app: Flask, program: Receiver, clock: Clock
) -> None:
    assert app
    told(program, with_patient=True)
    number = book()
    call_all(program, clock)
    another = book("Tue 10:00")
    call_all(program, clock)
    change(number, cancel_appointment)
    with transaction() as session:
        found = session.get_one(Appointment, number)
        for each in session.scalars(select(OwedCall)):
            assert each.appointment_id in (number, another)
        session.execute(update(OwedMessage).values(settled_at=NOW))
        erase(session, found, HOUSE, actor="desk", now=clock.now)
    left = set(db.session.scalars(select(OwedCall.appointment_id)))
    with transaction() as session:
        upkeep.forget_what_expired(session, now=clock.now + timedelta(days=31))

    assert left == {another}
    assert db.session.scalar(select(func.count(OwedCall.id))) == 0


def test_an_administrator_adds_tests_renews_and_removes_an_address(
    sqlite_url: str, program: Receiver, clock: Clock, mailbox: Mailbox
) -> None:
    settings = settings_for(sqlite_url, BOOKING_CALENDAR_HOSTS=program.host)
    for app in a_running_app(settings, clock, mailbox):
        client = app.test_client()
        a_member_of_staff()
        sign_in(client)
        form = get(client, "/staff/webhooks/new").form().values()
        wanted = {"address": program.url, "events": "appointment.booked"}

        made = client.post("/staff/webhooks/new", data=form | wanted)
        secret = page_of(made).all("pre")[0].text
        send(client, get(client, "/staff/webhooks/"), "/test")

        page = get(client, "/staff/webhooks/")
        assert "The other side answered 204." in page.text
        assert secret not in page.text
        assert "key=abc" not in page.text
        assert is_signed(program.heard[0], secret)
        assert bodies(program)[0]["type"] == "test"

        clock.now += timedelta(minutes=1)
        renewed = send(client, get(client, "/staff/webhooks/1/renew"), overlap="60")
        send(client, get(client, "/staff/webhooks/"), "/remove")

        assert page_of(renewed).all("pre")[0].text.startswith("whsec_")
        assert db.session.scalar(select(func.count(Webhook.id))) == 0


@pytest.mark.parametrize(
    "address", ["", "http://program.example/", "webcal://program.example/", "ftp://x", "nonsense"]
)
def test_an_address_that_travels_in_the_open_or_is_none_is_not_added(
    client: FlaskClient, address: str
) -> None:
    a_member_of_staff()
    sign_in(client)
    form = get(client, "/staff/webhooks/new").form().values()

    answer = client.post("/staff/webhooks/new", data=form | {"address": address, "events": "x"})

    assert answer.status_code == 422
    assert "Tick what the address is told." in answer.text


def test_staff_are_told_of_an_address_that_is_paused(
    client: FlaskClient, program: Receiver
) -> None:
    told(program)
    with transaction() as session:
        session.scalars(select(Webhook)).one().paused_at = NOW
    a_member_of_staff()
    sign_in(client)

    assert "Programs that take nothing" in get(client, "/staff/").text
    assert "Resume" in get(client, "/staff/webhooks/").text
