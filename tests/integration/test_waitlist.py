"""Whoever waits is offered a time in turn; it is kept for them; taking it moves the appointment."""

from datetime import date, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking.domain.openings import local_day
from booking.domain.refusals import SlotTaken, WrongState
from booking.domain.waiting import ANY_DAY, ANY_PART, DayPart, Wish
from booking.models import (
    Appointment,
    AppointmentEvent,
    AuditEntry,
    Clinic,
    Closure,
    Outcome,
    Resource,
    WaitlistEntry,
    WaitlistOffer,
)
from booking.models.database import db, transaction
from booking.services import waitlist
from booking.services.appointments import (
    book_appointment,
    cancel_appointment,
    reschedule_appointment,
)
from booking.services.links import token_of
from booking.services.waitlist import Waiting
from booking.worker import worker_of
from booking.worker.waitlist import WaitlistOfferer
from tests.builders import (
    HOUSE,
    NEW_YORK,
    NOW,
    Clock,
    Mailbox,
    a_request,
    an_appointment,
    at,
    the_service,
)
from tests.pages import page_of
from tests.readings import subjects, told
from tests.visits import a_member_of_staff, get, rows, send, sign_in, the_appointment

TUESDAY = date(2026, 11, 24)
ANYTIME = Waiting(Wish(ANY_DAY, ANY_PART, TUESDAY), None)
SAMS, ROBINS = "sam@mail.example", "robin@mail.example"


@pytest.fixture
def offerer(app: Flask, clock: Clock) -> WaitlistOfferer:
    assert app
    return WaitlistOfferer(house=HOUSE, clock=clock)


def full_tuesday() -> None:
    """Only Ada sees people by video, nobody works on Monday and Wednesday, and Tuesday is full."""
    with transaction() as session:
        the_service(session, "video").resources = [the_resource(session, "ada")]
        for day in ("Mon", "Wed"):
            span = local_day(at(f"{day} 12:00").date(), NEW_YORK)
            session.add(Closure(starts_at=span.start, ends_at=span.until))
        for hour in (9, 10, 11, 13, 14, 15, 16):
            for minute in ("00", "30"):
                fill(session, f"Tue {hour:02}:{minute}")


def fill(session: Session, start: str) -> None:
    """Somebody else has that time."""
    an_appointment(session, start, service="video", practitioner="ada", email="other@x.example")


def the_resource(session: Session, slug: str) -> Resource:
    return session.scalars(select(Resource).where(Resource.slug == slug)).one()


def waits(email: str = SAMS, start: str = "Fri 14:00", waiting: Waiting = ANYTIME) -> int:
    """Somebody with an appointment who would come earlier; its id."""
    with transaction() as session:
        made = an_appointment(
            session, start, service="video", practitioner="ada", email=email, name="Sam Rivers"
        )
        waitlist.join(session, made, waiting, HOUSE, now=NOW)
        return made.id


def frees(start: str, practitioner: str = "ada", *, now: datetime = NOW) -> None:
    """Somebody else cancels."""
    with transaction() as session:
        query = select(Appointment).where(Appointment.start_at == at(start))
        for each in session.scalars(query):
            if each.practitioner.slug == practitioner and each.status == "booked":
                cancel_appointment(session, each, HOUSE, now=now)


def offers() -> list[tuple[str, str, str]]:
    """Address, time and outcome of every offer."""
    db.session.rollback()
    query = select(WaitlistOffer).order_by(WaitlistOffer.id)
    return [
        (
            each.entry.appointment.patient_email,
            f"{each.start_at.astimezone(NEW_YORK):%a %H:%M}",
            str(each.outcome),
        )
        for each in db.session.scalars(query)
    ]


def take(made: int, *, now: datetime = NOW) -> None:
    with transaction() as session:
        waitlist.accept(session, session.get_one(Appointment, made), HOUSE, now=now)


def test_the_first_who_waits_is_offered_what_comes_free_and_nobody_else(
    offerer: WaitlistOfferer,
) -> None:
    full_tuesday()
    waits()
    waits(ROBINS, "Fri 15:00")
    offerer.turn()
    assert offers() == []

    frees("Tue 10:00")
    offerer.turn()
    offerer.turn()

    assert offers() == [(SAMS, "Tue 10:00", "open")]
    with pytest.raises(SlotTaken), transaction() as session:
        request = a_request("Tue 10:00", practitioner="ada")
        book_appointment(session, "video", request, HOUSE, now=NOW)


def test_taking_it_moves_the_appointment_and_frees_the_old_time_for_the_next(
    offerer: WaitlistOfferer,
) -> None:
    full_tuesday()
    made = waits()
    with transaction() as session:  # the next one's appointment is later than the first one's
        late = an_appointment(session, "Fri 16:00", service="video", email=ROBINS)
        only_fridays = Waiting(Wish(1 << 4, 0b010, date(2026, 12, 31)), None)
        for hour in ("13:00", "13:30", "14:30", "15:00", "15:30"):
            fill(session, f"Fri {hour}")
        waitlist.join(session, late, only_fridays, HOUSE, now=NOW)
    frees("Tue 10:00")
    offerer.turn()

    take(made)
    offerer.turn()

    assert offers() == [(SAMS, "Tue 10:00", "taken"), (ROBINS, "Fri 14:00", "open")]
    moved = db.session.get_one(Appointment, made)
    assert moved.start_at == at("Tue 10:00")
    assert waitlist.waiting_now(db.session(), now=NOW)[0].appointment.patient_email == ROBINS


def test_after_the_deadline_the_time_goes_to_the_next(
    offerer: WaitlistOfferer, clock: Clock
) -> None:
    full_tuesday()
    made = waits()
    waits(ROBINS, "Fri 15:00")
    frees("Tue 10:00")
    offerer.turn()
    clock.forward(hours=2)

    offerer.turn()

    assert offers() == [(SAMS, "Tue 10:00", "expired"), (ROBINS, "Tue 10:00", "open")]
    with pytest.raises(WrongState):
        take(made, now=clock.now)


def test_who_declines_stays_on_the_list_but_is_not_asked_about_that_time_again(
    offerer: WaitlistOfferer,
) -> None:
    full_tuesday()
    made = waits()
    frees("Tue 10:00")
    offerer.turn()
    with transaction() as session:
        waitlist.decline(session, session.get_one(Appointment, made), HOUSE, now=NOW)

    offerer.turn()
    frees("Tue 14:00")
    offerer.turn()

    assert offers() == [(SAMS, "Tue 10:00", "declined"), (SAMS, "Tue 14:00", "open")]


def test_what_is_declined_goes_to_the_next_at_once(offerer: WaitlistOfferer) -> None:
    full_tuesday()
    made = waits()
    waits(ROBINS, "Fri 15:00")
    frees("Tue 10:00")
    offerer.turn()
    offerer.turn()
    with transaction() as session:
        waitlist.decline(session, session.get_one(Appointment, made), HOUSE, now=NOW)

    offerer.turn()

    assert offers() == [(SAMS, "Tue 10:00", "declined"), (ROBINS, "Tue 10:00", "open")]


def test_what_is_not_answered_goes_to_the_next_when_the_deadline_passes(
    offerer: WaitlistOfferer, clock: Clock
) -> None:
    full_tuesday()
    waits()
    waits(ROBINS, "Fri 15:00")
    frees("Tue 10:00")
    offerer.turn()
    clock.forward(hours=1, minutes=59)
    offerer.turn()
    clock.forward(minutes=1)

    offerer.turn()

    assert offers() == [(SAMS, "Tue 10:00", "expired"), (ROBINS, "Tue 10:00", "open")]


def test_nobody_is_offered_more_than_three_times(offerer: WaitlistOfferer) -> None:
    full_tuesday()
    made = waits()
    for hour in (10, 11, 13, 14):
        frees(f"Tue {hour}:00")
        offerer.turn()
        with transaction() as session:
            if waitlist.open_offer(session, session.get_one(Appointment, made), now=NOW):
                waitlist.decline(session, session.get_one(Appointment, made), HOUSE, now=NOW)

    assert len(offers()) == 3


@pytest.mark.parametrize(
    "waiting",
    [
        Waiting(Wish(0b0000001, ANY_PART, TUESDAY), None),
        Waiting(Wish(ANY_DAY, 0b010, TUESDAY), None),
        Waiting(Wish(ANY_DAY, ANY_PART, date(2026, 11, 23)), None),
        Waiting(Wish(ANY_DAY, ANY_PART, TUESDAY), 2),
    ],
    ids=["another day", "another time of day", "too late", "another practitioner"],
)
def test_what_does_not_suit_is_not_offered(offerer: WaitlistOfferer, waiting: Waiting) -> None:
    full_tuesday()
    waits(waiting=waiting)
    frees("Tue 10:00")

    offerer.turn()

    assert offers() == []


def test_the_mail_of_an_offer_says_when_and_how_long_and_asks_nothing_of_a_calendar(
    app: Flask, offerer: WaitlistOfferer, mailbox: Mailbox
) -> None:
    full_tuesday()
    waits()
    worker_of(app).turn()
    before = told(mailbox)
    frees("Tue 10:00")
    offerer.turn()

    worker_of(app).turn()

    assert subjects(mailbox)[-1] == "Earlier time"
    assert told(mailbox) == before
    text = mailbox.to(SAMS)[-1].content.decode()
    assert "24 November" in text
    assert "10:00 am" in text


def test_an_offer_that_is_over_before_its_mail_leaves_is_not_mailed(
    app: Flask, offerer: WaitlistOfferer, mailbox: Mailbox, clock: Clock
) -> None:
    full_tuesday()
    waits()
    frees("Tue 10:00")
    offerer.turn()
    clock.forward(hours=3)

    worker_of(app).turn()

    assert "Earlier time" not in subjects(mailbox)


def test_who_cancels_waits_no_more_and_the_time_is_free_again(offerer: WaitlistOfferer) -> None:
    full_tuesday()
    made = waits()
    waits(ROBINS, "Fri 15:00")
    frees("Tue 10:00")
    offerer.turn()
    with transaction() as session:
        found = session.get_one(Appointment, made)
        waitlist.leave(session, found, HOUSE, actor="patient", now=NOW)

    offerer.turn()

    assert offers() == [(SAMS, "Tue 10:00", "declined"), (ROBINS, "Tue 10:00", "open")]


def test_what_was_offered_to_who_then_cancels_goes_to_the_next(offerer: WaitlistOfferer) -> None:
    full_tuesday()
    made = waits()
    waits(ROBINS, "Fri 15:00")
    frees("Tue 10:00")
    offerer.turn()
    with transaction() as session:
        cancel_appointment(session, session.get_one(Appointment, made), HOUSE, now=NOW)
    assert waitlist.open_offer(db.session(), db.session.get_one(Appointment, made), now=NOW) is None

    offerer.turn()

    assert offers() == [(SAMS, "Tue 10:00", "expired"), (ROBINS, "Tue 10:00", "open")]


def test_what_was_offered_to_who_then_comes_earlier_still_goes_to_the_next(
    offerer: WaitlistOfferer,
) -> None:
    full_tuesday()
    made = waits()
    waits(ROBINS, "Fri 15:00")
    frees("Tue 10:00")
    offerer.turn()
    frees("Tue 09:00")
    with transaction() as session:
        found = session.get_one(Appointment, made)
        reschedule_appointment(session, found, at("Tue 09:00"), HOUSE, now=NOW)

    with pytest.raises(WrongState):
        take(made)
    offerer.turn()

    assert offers() == [(SAMS, "Tue 10:00", "expired"), (ROBINS, "Tue 10:00", "open")]


@pytest.mark.parametrize(("hours", "kept"), [(101, ["14:00"]), (120, [])])
def test_who_could_not_take_it_any_more_is_not_offered_a_time(
    offerer: WaitlistOfferer, hours: int, kept: list[str]
) -> None:
    """An appointment on Friday at two, and the change that a patient may make until then."""
    full_tuesday()
    made = waits()
    frees("Tue 10:00")
    with transaction() as session:
        the_service(session, "video").change_cutoff = timedelta(hours=hours)

    offerer.turn()

    deadlines = db.session.scalars(select(WaitlistOffer.expires_at)).all()
    assert [f"{each:%H:%M}" for each in deadlines] == kept
    for deadline in deadlines:
        take(made, now=deadline - timedelta(minutes=1))


# The pages


def link_of(made: int) -> str:
    db.session.rollback()
    return f"/appointments/{token_of(db.session.get_one(Appointment, made), HOUSE.keys)}"


def test_a_patient_asks_is_offered_and_takes_it(client: FlaskClient, clock: Clock) -> None:
    full_tuesday()
    with transaction() as session:
        made = an_appointment(session, "Fri 14:00", service="video", practitioner="ada").id
    page = get(client, link_of(made))
    form = get(client, page.link("Tell me about earlier times"))
    ticked = {"weekdays": ["0", "1", "4"], "parts": ["0", "1", "2"]}
    joined = client.post(form.address, data=form.form("").values() | ticked)
    assert "We tell you by email" in get(client, joined.location).text
    frees("Tue 10:00")
    WaitlistOfferer(house=HOUSE, clock=clock).turn()

    offer = get(client, get(client, link_of(made)).link("See it, take it or leave it"))
    taken = send(client, offer, "/offer/take")

    assert "Your appointment is moved" in get(client, taken.location).heading
    db.session.rollback()
    assert db.session.get_one(Appointment, made).start_at == at("Tue 10:00")
    events = db.session.scalar(select(func.count(AppointmentEvent.id)))
    again = send(client, offer, "/offer/take")
    looked = client.get(f"{link_of(made)}/offer")
    assert (again.status_code, again.location) == (303, taken.location)
    assert (looked.status_code, looked.location) == (302, link_of(made))
    assert db.session.scalar(select(func.count(AppointmentEvent.id))) == events


def test_who_takes_a_time_with_somebody_who_has_gone_is_told_that_it_is_gone(
    client: FlaskClient, clock: Clock
) -> None:
    full_tuesday()
    made = waits()
    frees("Tue 10:00")
    WaitlistOfferer(house=HOUSE, clock=clock).turn()
    offer = get(client, f"{link_of(made)}/offer")
    move = get(client, f"{link_of(made)}/reschedule?practitioner=ada&start=2026-11-27T18:00:00Z")
    with transaction() as session:
        the_service(session, "video").resources = [the_resource(session, "ben")]

    taken, moved = send(client, offer, "/offer/take"), send(client, move)

    assert (taken.status_code, moved.status_code) == (409, 409)
    assert "This offer has ended" in page_of(taken).heading


@pytest.mark.parametrize(
    ("typed", "field"),
    [({"until_on": "2027-01-01"}, "until_on"), ({"until_on": "soon"}, "until_on")],
)
def test_what_cannot_be_meant_is_said_at_its_field(
    client: FlaskClient, typed: dict[str, str], field: str
) -> None:
    with transaction() as session:
        made = an_appointment(session, "Fri 14:00", service="video", practitioner="ada").id

    answer = send(client, get(client, f"{link_of(made)}/earlier"), "", **typed)

    assert answer.status_code == 422
    assert page_of(answer).alerts()[0].all("a")[0].get("href") == f"#{field}"
    assert rows()["waitlist_entry"] == []


def test_staff_see_who_waits_skip_and_take_off(client: FlaskClient, clock: Clock) -> None:
    full_tuesday()
    waits()
    frees("Tue 10:00")
    WaitlistOfferer(house=HOUSE, clock=clock).turn()
    a_member_of_staff()
    sign_in(client)
    page = get(client, "/staff/waitlist/")
    assert "Sam Rivers" in page.text
    assert "Offered: Tuesday 24 November, 10:00 am" in page.text

    skipped = send(client, page, "/skip")
    removed = send(client, get(client, skipped.location), "/remove")

    assert offers()[0][2] == Outcome.SKIPPED
    assert "Nobody waits." in get(client, removed.location).text
    db.session.rollback()
    assert db.session.scalars(select(WaitlistEntry)).one().ended_at is not None


def test_who_waits_is_seen_beside_a_gap_that_would_suit(client: FlaskClient) -> None:
    waits()
    a_member_of_staff()
    sign_in(client)

    day = get(client, "/staff/day/?on=2026-11-24")
    gap = get(client, day.link("9:00 am to 12:00 pm free"))

    assert "1 waiting" in day.text
    assert "Sam Rivers" in gap.text
    reads = select(AuditEntry.action).where(AuditEntry.subject == the_appointment().reference)
    assert "appointment.read" in set(db.session.scalars(reads))
    moved = get(client, gap.link("Move Sam Rivers here"))
    assert "New time" in moved.text
    assert the_appointment().start_at == at("Fri 14:00")


def test_who_waits_sees_so_on_their_page_until_they_leave_the_list(client: FlaskClient) -> None:
    made = waits()
    page = get(client, link_of(made))

    form = get(client, page.link("Change or end this"))
    left = get(client, send(client, form, "/leave").location)

    assert "You are on the list" in page.text
    assert left.heading == "Your appointment stays as it is"
    assert "You are on the list" not in left.text
    assert left.link("Tell me about earlier times")


def test_a_button_that_came_too_late_takes_nobody_off_the_list(
    client: FlaskClient, sqlite_app: Flask
) -> None:
    form = get(client, f"{link_of(waits())}/earlier")

    answer = send(sqlite_app.test_client(), form, "/leave")

    assert answer.status_code == 422
    again = page_of(answer)
    assert "press the button again" in again.alerts()[0].text
    assert again.heading == form.heading
    assert again.form("").values()["until_on"] == "2026-11-24"


def test_after_the_last_day_that_suits_the_page_promises_nothing(
    client: FlaskClient, clock: Clock
) -> None:
    link = link_of(waits())
    clock.now = at("Wed 09:00")

    page = get(client, link)
    form = get(client, page.link("Tell me about earlier times"))

    assert "You are on the list" not in page.text
    assert form.form("").values()["until_on"] == "2026-11-27"
    assert send(client, form, "").status_code == 303
    assert "You are on the list" in get(client, link).text


def test_who_may_not_move_any_more_is_not_told_that_they_are_on_the_list(
    client: FlaskClient, clock: Clock
) -> None:
    friday = Wish(ANY_DAY, ANY_PART, date(2026, 11, 27))
    link = link_of(waits(waiting=Waiting(friday, None)))
    clock.now = at("Fri 13:00")

    assert "You are on the list" not in get(client, link).text


def test_who_was_offered_three_times_is_told_so_instead_of_being_put_on_the_list(
    client: FlaskClient, clock: Clock
) -> None:
    full_tuesday()
    made, offerer = waits(), WaitlistOfferer(house=HOUSE, clock=clock)
    form = get(client, f"{link_of(made)}/earlier")
    for hour in (10, 11, 13):
        frees(f"Tue {hour}:00")
        offerer.turn()
        with transaction() as session:
            waitlist.decline(session, session.get_one(Appointment, made), HOUSE, now=NOW)

    page, answer = get(client, f"{link_of(made)}/earlier"), send(client, form, "")

    assert (answer.status_code, page_of(answer).text) == (409, page.text)
    assert "as often as we do for one appointment" in page.text
    assert page.link("See free times")


def test_an_offer_that_has_ended_says_no_more_than_is_so(client: FlaskClient) -> None:
    made = waits()
    booked = get(client, f"{link_of(made)}/offer")
    with transaction() as session:
        cancel_appointment(session, session.get_one(Appointment, made), HOUSE, now=NOW)
    cancelled = get(client, f"{link_of(made)}/offer")

    assert "You stay on the list" in booked.text
    assert booked.link("See free times")
    assert "Your appointment is cancelled." in cancelled.text
    assert "where it was" not in cancelled.text
    assert "See free times" not in cancelled.text


def test_within_the_cut_off_nobody_is_promised_an_earlier_time(
    client: FlaskClient, clock: Clock
) -> None:
    friday = Wish(ANY_DAY, ANY_PART, date(2026, 11, 27))
    made = waits(waiting=Waiting(friday, None))
    form = get(client, f"{link_of(made)}/earlier")
    clock.now = at("Fri 13:00")

    assert "Please call us" in get(client, form.address).text
    assert send(client, form, "").status_code == 403


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "Choose a day from today"), ("es", "Elija un día entre hoy")],
)
def test_a_day_that_is_none_is_said_in_the_patients_words(
    client: FlaskClient, language: str, sentence: str
) -> None:
    path = f"{link_of(waits())}/earlier"

    for typed in ("", "24/11/2026"):
        answer = send(client, get(client, f"{path}?lang={language}"), "", until_on=typed)
        assert sentence in page_of(answer).alerts()[0].text


def test_a_morning_is_one_by_the_clock_of_who_waits(client: FlaskClient) -> None:
    """Nine in New York is three in the afternoon in Berlin, where this patient is."""
    with transaction() as session:
        made = an_appointment(
            session, "Fri 14:00", service="video", practitioner="ada", timezone="Europe/Berlin"
        )
        wish = Wish(ANY_DAY, 1 << DayPart.MORNING, TUESDAY)
        entry = waitlist.join(session, made, Waiting(wish, None), HOUSE, now=NOW)
        ada, clinic = made.practitioner_id, session.get_one(Clinic, 1)
        in_the_morning = waitlist.suits(entry, at("Tue 09:00"), ada, clinic)
        made.patient_timezone = "America/New_York"
        at_home = waitlist.suits(entry, at("Tue 09:00"), ada, clinic)
        made.patient_timezone, key = "Europe/Berlin", made.id

    assert (in_the_morning, at_home) == (False, True)
    assert "By your own clock: Berlin time." in get(client, f"{link_of(key)}/earlier").text
